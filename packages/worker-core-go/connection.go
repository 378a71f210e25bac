package muster

import (
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// connect gives a connection that comes up whenever there is a server, and comes back for ever.
//
// Nothing is buffered while it is down: a nak or a row that arrived minutes later would be stale.
func connect(c Config, onUp func()) (*nats.Conn, error) {
	log := c.Log
	nc, err := nats.Connect(strings.Join(c.Servers, ","),
		nats.Name("muster "+c.Stream+"."+c.Group+"."+c.Member),
		nats.Timeout(3*time.Second),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(250*time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, 500*time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.PingInterval(5*time.Second),
		nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(nc *nats.Conn) {
			log.Debug("connected")
			onUp()
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("reconnected")
			onUp()
		}),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if !nc.IsClosed() {
				log.Warn("disconnected", "error", errorText(err))
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("connection error", "error", errorText(err))
		}),
	)
	if err != nil {
		return nil, unreachable(err, "cannot connect")
	}
	if !nc.IsConnected() {
		log.Warn("disconnected", "error", "no server answers at "+shownServers(c.Servers)+", trying on")
	}
	return nc, nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// shownServers leaves out what stands before the host: it may hold a password.
func shownServers(servers []string) string {
	shown := make([]string, len(servers))
	for i, server := range servers {
		scheme, rest, _ := strings.Cut(server, "://")
		shown[i] = scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
	}
	return strings.Join(shown, ", ")
}
