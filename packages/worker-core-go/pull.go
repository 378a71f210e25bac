package muster

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// pullExpires is how long a request lives, so that a pause takes hold.
	pullExpires = 5 * time.Second
	// voidAfter: a request the server did not end this long after its expiry never will be.
	voidAfter = 2 * time.Second
	// pullBackOff is the wait when the consumer is gone or the server says something odd.
	pullBackOff = 250 * time.Millisecond
)

// puller keeps the member supplied: it holds about twice its concurrency, never more.
type puller struct {
	wire    *wire
	log     *slog.Logger
	subject string
	// limits gives the concurrency, 0 where nothing may be pulled now, and how many are held.
	limits    func() (concurrency, held int)
	onMessage func(*nats.Msg)
	inbox     string
	wakeUp    chan struct{}

	mu       sync.Mutex
	sub      *nats.Subscription
	requests []pullRequest
	number   int
	// voidUpTo: answers to requests up to this one are from before a reconnect.
	voidUpTo  int
	notBefore time.Time
	complaint string
}

// pullRequest is a request that the server may still fill; the oldest comes first.
type pullRequest struct {
	number  int
	credits int
	voidAt  time.Time
}

func newPuller(w *wire, c Config, limits func() (int, int), onMessage func(*nats.Msg)) *puller {
	return &puller{
		wire:      w,
		log:       c.Log,
		subject:   c.APIPrefix + ".CONSUMER.MSG.NEXT." + c.Stream + "." + c.Group,
		limits:    limits,
		onMessage: onMessage,
		inbox:     w.nc.NewInbox(),
		wakeUp:    make(chan struct{}, 1),
	}
}

// wake says that something changed.
func (p *puller) wake() {
	select {
	case p.wakeUp <- struct{}{}:
	default:
	}
}

// forget is for a connection that is back: requests from before are void.
func (p *puller) forget() {
	p.mu.Lock()
	p.requests, p.voidUpTo = nil, p.number
	p.mu.Unlock()
	p.wake()
}

// start subscribes to the inbox. Nothing is ever dropped as slow: credits bound what comes.
func (p *puller) start() error {
	sub, err := p.wire.nc.Subscribe(p.inbox+".*", p.receive)
	if err != nil {
		return unreachable(err, "cannot subscribe to the pull inbox")
	}
	p.sub = sub
	return sub.SetPendingLimits(-1, -1)
}

// run pulls until ctx ends.
func (p *puller) run(ctx context.Context) {
	for ctx.Err() == nil {
		timer := time.NewTimer(p.pull())
		select {
		case <-ctx.Done():
		case <-p.wakeUp:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// stop drains the inbox: what still came was given to onMessage, nothing comes after.
func (p *puller) stop(ctx context.Context) {
	if !p.wire.nc.IsConnected() {
		_ = p.sub.Unsubscribe()
		return
	}
	closed := p.sub.StatusChanged(nats.SubscriptionClosed)
	if err := p.sub.Drain(); err != nil {
		p.log.Debug("inbox not drained", "error", err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	select {
	case <-closed:
	case <-ctx.Done():
		p.log.Debug("inbox not drained", "error", "no answer")
	}
}

// pull looks once, and gives the time until the next look at the latest.
func (p *puller) pull() time.Duration {
	concurrency, held := p.limits()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.requests = slices.DeleteFunc(p.requests, func(r pullRequest) bool { return !now.Before(r.voidAt) })
	if wait := p.notBefore.Sub(now); wait > 0 {
		return wait
	}
	outstanding := p.outstanding()
	wanted := 2*concurrency - held - outstanding
	if concurrency > 0 && wanted > 0 && (2*wanted >= concurrency || outstanding == 0) {
		p.request(wanted, now)
	}
	next := now.Add(time.Second)
	if len(p.requests) > 0 && p.requests[0].voidAt.Before(next) {
		next = p.requests[0].voidAt
	}
	return max(time.Until(next), time.Millisecond)
}

func (p *puller) request(batch int, now time.Time) {
	p.number++
	body, _ := json.Marshal(map[string]int64{"batch": int64(batch), "expires": pullExpires.Nanoseconds()})
	err := p.wire.nc.PublishRequest(p.subject, p.inbox+"."+strconv.Itoa(p.number), body)
	if err != nil {
		p.notBefore = now.Add(pullBackOff)
		return
	}
	p.requests = append(p.requests, pullRequest{p.number, batch, now.Add(pullExpires + voidAfter)})
}

func (p *puller) receive(msg *nats.Msg) {
	if strings.HasPrefix(msg.Reply, ackPrefix) {
		// Held before its credit goes, or the two together would look too few for a moment.
		p.onMessage(msg)
		p.useCredit()
		return
	}
	header := lastValues(msg.Header)
	status := header["Status"]
	if status == "" || status == "100" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	number, _ := strconv.Atoi(msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:])
	left, err := strconv.Atoi(header["Nats-Pending-Messages"])
	if err != nil {
		left = -1
	}
	p.end(number, left)
	if status != "404" && status != "408" {
		// Every other one waits: they come back at once otherwise.
		p.notBefore = time.Now().Add(pullBackOff)
		p.complain(status, strings.TrimSpace(status+" "+header["Description"]))
	}
	p.wake()
}

func (p *puller) complain(status, text string) {
	if text != p.complaint {
		p.log.Warn("pull refused", "code", status, "error", text)
	}
	p.complaint = text
}

// useCredit takes it from the oldest request: a message does not say which one it fills.
func (p *puller) useCredit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaint = ""
	p.take(1)
}

// end gives back what a request did not fill. left is the server's word for it, -1 where it says
// nothing. As credits are taken from the oldest request, whichever was filled, the difference to
// the server's word is the others'.
func (p *puller) end(number, left int) {
	if number <= p.voidUpTo {
		return
	}
	credits := 0
	at := slices.IndexFunc(p.requests, func(r pullRequest) bool { return r.number == number })
	if at >= 0 {
		credits = p.requests[at].credits
		p.requests = slices.Delete(p.requests, at, at+1)
	}
	switch {
	case left > credits:
		p.take(left - credits)
	case left >= 0 && len(p.requests) > 0:
		p.requests[0].credits += credits - left
	}
}

func (p *puller) take(n int) {
	for n > 0 && len(p.requests) > 0 {
		r := &p.requests[0]
		used := min(n, r.credits)
		r.credits -= used
		n -= used
		if r.credits == 0 {
			p.requests = p.requests[1:]
		}
	}
}

func (p *puller) outstanding() int {
	n := 0
	for _, r := range p.requests {
		n += r.credits
	}
	return n
}
