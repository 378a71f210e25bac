package muster

import (
	"context"
	"testing"
)

func TestMiddlewareRunsOutsideInAndNextOnce(t *testing.T) {
	t.Parallel()
	var steps []string
	note := func(name string) Middleware {
		return func(ctx context.Context, _ *Delivery, next Next) (any, error) {
			steps = append(steps, "before "+name)
			result, err := next(context.WithValue(ctx, ctxKey{}, name))
			steps = append(steps, "after "+name)
			return result, err
		}
	}
	handler := compose([]Middleware{note("a"), note("b")}, func(ctx context.Context, _ *Delivery) (any, error) {
		steps = append(steps, "handler in "+ctx.Value(ctxKey{}).(string))
		return "result", nil
	})
	result, err := handler(t.Context(), &Delivery{})
	must(t, err)
	equal(t, result, "result")
	equal(t, steps, []string{"before a", "before b", "handler in b", "after b", "after a"})

	twice := compose([]Middleware{func(ctx context.Context, _ *Delivery, next Next) (any, error) {
		_, _ = next(ctx)
		return next(ctx)
	}}, func(context.Context, *Delivery) (any, error) { return nil, nil })
	_, err = twice(t.Context(), &Delivery{})
	equal(t, HasCode(err, CodeNextTwice), true)
}

type ctxKey struct{}

func TestMiddlewareMayPassTheHandlerOver(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	config := g.config("m")
	config.Middleware = []Middleware{func(ctx context.Context, d *Delivery, next Next) (any, error) {
		if d.Value.(map[string]any)["amount"] == -1.0 {
			return nil, Permanent("passed over")
		}
		return next(ctx)
	}}
	serve(t, config, func(context.Context, map[string]any, *Delivery) (any, error) { return "handled", nil })
	g.publish("good", order("a", 1))
	g.publish("bad", order("a", -1))
	g.settled()
	equal(t, string(g.row("good").Result), `"handled"`)
	equal(t, Header(g.deadLetter().Header).Get("Muster-Dlq-Error"), "passed over")
}
