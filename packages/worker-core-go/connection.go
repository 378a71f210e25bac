package muster

import (
	"context"
	"errors"
	"strings"
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

// connect gives a connection that comes up whenever there is a server, and comes back for ever.
// refused is called with what the server will not have: the login of a member that was never connected
// ([CodeLoginRefused]), or what a member needs ([CodeNotPermitted]).
func connect(c Config, refused func(Code, error)) (*connection, error) {
	conn := &connection{up: make(chan struct{})}
	log := c.Log
	servers, login := splitServerURLs(c.Servers)
	byFiles, err := c.Login.options()
	if err != nil {
		return nil, unreachable(err, "cannot log in")
	}
	nc, err := nats.Connect(servers, append(byFiles,
		login,
		nats.CustomInboxPrefix(c.InboxPrefix),
		nats.Name(c.Stream+"."+c.Group+"."+c.Member),
		nats.Timeout(5*time.Second),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(400*time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, 200*time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.PingInterval(10*time.Second),
		nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(nc *nats.Conn) { conn.change(nc, true) }),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Warn("reconnected")
			conn.change(nc, true)
		}),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if !nc.IsClosed() {
				log.Warn("disconnected", "code", "no_connection", "error", errorText(err))
			}
			conn.change(nc, false)
		}),
		nats.ClosedHandler(func(nc *nats.Conn) { conn.change(nc, false) }),
		// Who was never let in will not be by asking again. Later the login may be about to be replaced.
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if isRefusal(err) && !conn.hasBeenUp() {
				refused(CodeLoginRefused, err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			switch {
			case errors.Is(err, nats.ErrPermissionViolation) && c.isNeeded(errorText(err)):
				refused(CodeNotPermitted, err)
			case conn.hasBeenUp() || !isRefusal(err):
				log.Error("server error", "code", "nats_error", "error", errorText(err))
			}
		}),
	)...)
	if err != nil {
		return nil, unreachable(err, "cannot connect")
	}
	conn.nc = nc
	if nc.IsConnected() {
		conn.change(nc, true)
	} else {
		log.Warn("disconnected", "code", "no_connection", "error", "no server answers at "+strings.ReplaceAll(servers, ",", ", ")+", trying on")
	}
	return conn, nil
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

// isRefusal: the server does not know us; one that is slow to look says something else.
func isRefusal(err error) bool {
	for _, known := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
