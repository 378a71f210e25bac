package muster

import (
	"context"
	"slices"
	"sync/atomic"
)

// Next runs the rest of the middleware and the handler. It may be called once for a message; a
// second call gives an error of [CodeNextTwice].
type Next func(ctx context.Context) (any, error)

// Middleware is a concern around the handler, for every message: what is before next runs before
// it, what is after it afterwards. What it returns is the result or the failure, by the handler's
// rules. It may return without calling next, which passes the handler over.
type Middleware func(ctx context.Context, d *Delivery, next Next) (any, error)

// compose puts middleware around a handler, the first one outermost.
func compose(middleware []Middleware, handler handlerFunc) handlerFunc {
	for _, outer := range slices.Backward(middleware) {
		handler = wrap(outer, handler)
	}
	return handler
}

func wrap(outer Middleware, inner handlerFunc) handlerFunc {
	return func(ctx context.Context, d *Delivery) (any, error) {
		var wasCalled atomic.Bool
		return outer(ctx, d, func(ctx context.Context) (any, error) {
			if wasCalled.Swap(true) {
				return nil, &Error{Code: CodeNextTwice, Message: "a middleware called next a second time for one message"}
			}
			return inner(ctx, d)
		})
	}
}
