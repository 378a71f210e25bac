package muster

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// connection is one NATS connection that reconnects for ever and says whether it is up.
//
// Nothing is buffered while it is down: a nak or a row that arrived minutes later would be stale.
type connection struct {
	nc *nats.Conn

	mu        sync.Mutex
	listeners []func(isUp bool)
	// up is closed while there is a connection.
	up chan struct{}
	// session ends when the connection is lost; nil while there is none.
	session context.Context //nolint:containedctx // It belongs to the connection, not to a call.
	lose    context.CancelFunc
	// wasUp: there was a connection once.
	wasUp bool
}

func (c *connection) isUp() bool { return c.nc.IsConnected() }

// maxPayload is what headers and body of a message may have, as the server last said.
func (c *connection) maxPayload() int { return int(c.nc.MaxPayload()) }

// onChange calls back with false when the connection is lost and with true when it is there again.
func (c *connection) onChange(listener func(isUp bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, listener)
}

// whileUp is a context that ends with ctx, or when the connection is lost. It waits for one first.
func (c *connection) whileUp(ctx context.Context) (context.Context, context.CancelFunc, error) {
	for {
		c.mu.Lock()
		up, session := c.up, c.session
		c.mu.Unlock()
		if session != nil && session.Err() == nil {
			bound, cancel := context.WithCancel(ctx)
			stop := context.AfterFunc(session, cancel)
			return bound, func() { stop(); cancel() }, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return nil, nil, unreachable(nil, "not connected")
		}
	}
}

// flush returns when the server has read all that was published before.
func (c *connection) flush(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := c.nc.FlushWithContext(ctx); err != nil {
		return unreachable(err, "not flushed")
	}
	return nil
}

// drain unsubscribes and waits until all that came was handed on: afterwards nothing more arrives.
func (c *connection) drain(ctx context.Context, sub *nats.Subscription) {
	closed := sub.StatusChanged(nats.SubscriptionClosed)
	if !c.isUp() || sub.Drain() != nil {
		_ = sub.Unsubscribe()
		return
	}
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	select {
	case <-closed:
	case <-ctx.Done():
	}
}

// drainTimeout bounds the wait for a server that has stopped to answer.
const drainTimeout = 2 * time.Second

func (c *connection) change(_ *nats.Conn, isUp bool) {
	c.mu.Lock()
	wasUp := c.session != nil
	switch {
	case isUp && !wasUp:
		c.wasUp = true
		c.session, c.lose = context.WithCancel(context.Background())
		close(c.up)
	case !isUp && wasUp:
		c.lose()
		c.session, c.lose, c.up = nil, nil, make(chan struct{})
	}
	listeners := c.listeners
	c.mu.Unlock()
	if isUp == wasUp {
		return
	}
	for _, listener := range listeners {
		listener(isUp)
	}
}

func (c *connection) hasBeenUp() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wasUp
}
