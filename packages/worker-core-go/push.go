package muster

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// push takes what the server pushes to the group's deliver subject. There are no credits: what a
// member may hold is bounded by the group's max_ack_pending alone, and one stuck member can hold all
// of it. While it may not take messages it has no subscription, so the server gives them to others.
type push struct {
	sourceParts

	subject string
	group   string
	log     *slog.Logger

	mu       sync.Mutex
	sub      *nats.Subscription
	isClosed bool
}

func (p *push) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	mayTake := !p.isClosed && p.mayPull()
	switch {
	case mayTake && p.sub == nil:
		p.subscribe()
	case !mayTake && p.sub != nil:
		_ = p.sub.Drain()
		p.sub = nil
	}
}

func (p *push) freed() { p.wake() }

func (p *push) drain(ctx context.Context) {
	p.mu.Lock()
	p.isClosed = true
	sub := p.sub
	p.sub = nil
	p.mu.Unlock()
	if sub != nil {
		p.conn.drain(ctx, sub)
	}
}

func (p *push) subscribe() {
	sub, err := p.conn.nc.QueueSubscribe(p.subject, p.group, func(msg *nats.Msg) {
		// What the server says of itself has no ack subject.
		if strings.HasPrefix(msg.Reply, ackPrefix) {
			p.onMessage(msg)
		}
	})
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err != nil {
		p.log.Warn("pull refused", "code", "pull_refused", "error", err.Error())
		return
	}
	p.sub = sub
}
