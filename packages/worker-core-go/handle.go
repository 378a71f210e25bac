package muster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Handler works on one message. See the package's documentation for what its results mean. ctx
// ends at the group's timeout, and when the member is stopped by force.
type Handler[T any] func(ctx context.Context, value T, d *Delivery) (any, error)

// handlerFunc is a handler of any type of value; it takes the delivery's.
type handlerFunc func(ctx context.Context, d *Delivery) (any, error)

var (
	errAborted = errors.New("the member was stopped by force")
	errGone    = errors.New("the handler's goroutine ended")
)

// handled is how a handler ended.
type handled struct {
	result any
	err    error
}

// handlers runs handlers with a deadline. One timer serves them all: a timer, a context and a
// goroutine for each message would cost more than most handlers.
type handlers struct {
	// timeout of a handler, as the spec says at its start.
	timeout func() time.Duration
	// onHandled is told how long each took.
	onHandled func(took time.Duration, how string)
	// missed settles what has missed its deadline, beside the handler, which still runs.
	missed func(r *handling)

	late atomic.Int64

	mu    sync.Mutex
	root  handling
	count int
	timer *time.Timer
	// armedFor is zero where the timer is not armed.
	armedFor time.Time
}

// handling is one start of a handler, for one message or several.
type handling struct {
	runContext

	deliveries []*delivery
	// one is room for the deliveries of most.
	one        [1]*delivery
	startedAt  time.Time
	timeout    time.Duration
	prev, next *handling
	isLate     bool
	// settled is closed when the missed deadline is settled.
	settled chan struct{}
}

func newHandlers(timeout func() time.Duration, onHandled func(time.Duration, string)) *handlers {
	h := &handlers{timeout: timeout, onHandled: onHandled}
	h.root.prev, h.root.next = &h.root, &h.root
	h.timer = time.AfterFunc(time.Hour, h.look)
	h.timer.Stop()
	return h
}

// run calls a handler and returns when it has ended. isLate: its deadline had passed before, and
// that is settled.
func (h *handlers) run(ctx context.Context, deliveries []*delivery, call handlerFunc) (o handled, isLate bool) {
	return h.start(ctx, &handling{deliveries: deliveries, startedAt: time.Now()}, call)
}

// runOne is run for a delivery that has just begun.
func (h *handlers) runOne(ctx context.Context, d *delivery, call handlerFunc) (o handled, isLate bool) {
	r := &handling{one: [1]*delivery{d}, startedAt: d.startedAt}
	r.deliveries = r.one[:]
	return h.start(ctx, r, call)
}

func (h *handlers) start(ctx context.Context, r *handling, call handlerFunc) (o handled, isLate bool) {
	r.timeout = h.timeout()
	r.parent, r.deadline = ctx, r.startedAt.Add(r.timeout)
	h.add(r)
	o.err = errGone
	defer func() {
		if p := recover(); p != nil {
			o.err = &panicError{value: p}
		}
		isLate = h.end(r, o)
	}()
	o.result, o.err = call(&r.runContext, &r.deliveries[0].Delivery)
	return o, isLate
}

// inFlight are the handlers that run, those past their deadline included.
func (h *handlers) inFlight() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// oldest is the message that runs longest, nil where there is none.
func (h *handlers) oldest() *delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.root.next == &h.root {
		return nil
	}
	return h.root.next.deliveries[0]
}

func (h *handlers) close() { h.timer.Stop() }

func (h *handlers) add(r *handling) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.prev, r.next = h.root.prev, &h.root
	r.prev.next, r.next.prev = r, r
	h.count++
	if h.armedFor.IsZero() || r.deadline.Before(h.armedFor) {
		h.arm(r.deadline)
	}
}

func (h *handlers) end(r *handling, o handled) (isLate bool) {
	r.returned()
	now := time.Now()
	h.mu.Lock()
	r.prev.next, r.next.prev = r.next, r.prev
	h.count--
	isLate = r.isLate
	h.mu.Unlock()
	switch {
	case isLate:
		h.late.Add(-1)
		<-r.settled
	case !now.Before(r.deadline):
		// It ended because of its context, before the timer could tell.
		h.onHandled(now.Sub(r.startedAt), "deadline")
		h.missed(r)
		return true
	case o.err == nil:
		h.onHandled(now.Sub(r.startedAt), "returned")
	default:
		h.onHandled(now.Sub(r.startedAt), "failed")
	}
	return isLate
}

// look finds what has missed its deadline.
func (h *handlers) look() {
	h.mu.Lock()
	now := time.Now()
	var due []*handling
	next := time.Time{}
	for r := h.root.next; r != &h.root; r = r.next {
		switch {
		case r.isLate:
		case !r.deadline.After(now):
			r.isLate, r.settled = true, make(chan struct{})
			due = append(due, r)
		case next.IsZero() || r.deadline.Before(next):
			next = r.deadline
		}
	}
	h.armedFor = time.Time{}
	if !next.IsZero() {
		h.arm(next)
	}
	h.late.Add(int64(len(due)))
	h.mu.Unlock()
	for _, r := range due {
		h.onHandled(now.Sub(r.startedAt), "deadline")
		go func() {
			defer close(r.settled)
			h.missed(r)
		}()
	}
}

func (h *handlers) arm(at time.Time) {
	h.armedFor = at
	h.timer.Reset(max(time.Until(at), 0))
}

// deadlineError is why an attempt has failed that was not over in time.
func deadlineError(timeout time.Duration) (class, text string) {
	return "DeadlineExceeded", fmt.Sprintf("handler exceeded %d ms", timeout.Milliseconds())
}

type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
