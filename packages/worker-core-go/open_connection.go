package muster

import (
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// How a connection is made: tries until there is a server, and says when that one refuses.

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

// isRefusal: the server does not know us; one that is slow to look says something else.
func isRefusal(err error) bool {
	for _, known := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
