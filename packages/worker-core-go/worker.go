package muster

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// retryEvery is the time between two tries at what must answer before the member can go on.
	retryEvery = time.Second
	// windUp is the most that leaving takes once the handlers have ended.
	windUp = 2 * time.Second
)

// Worker is one member of a group, from joining to leaving.
type Worker struct {
	config  Config
	handler handlerFunc

	instance  string
	startedAt time.Time
	joined    chan struct{}
	draining  chan struct{}
	forced    chan struct{}
	drainOnce sync.Once
	forceOnce sync.Once
	idTaken   atomic.Bool
	degraded  atomic.Bool
	// beatNow asks for a heartbeat before its time, isDegraded for probes of the ledger.
	beatNow    chan struct{}
	isDegraded chan struct{}

	// Made by build.
	wire       *wire
	spec       *specPoll
	contracts  *contracts
	hold       *hold
	slots      *slots
	stats      *stats
	ledger     *ledger
	member     *member
	puller     *puller
	deliveries *deliveries
	running    sync.WaitGroup
}

// New makes a worker of a handler. Nothing happens before [Worker.Serve].
func New[T any](config Config, handler Handler[T]) *Worker {
	return &Worker{
		config:     config.withDefaults(),
		handler:    typed(handler),
		instance:   newUUID(),
		startedAt:  time.Now(),
		joined:     make(chan struct{}),
		draining:   make(chan struct{}),
		forced:     make(chan struct{}),
		beatNow:    make(chan struct{}, 1),
		isDegraded: make(chan struct{}, 1),
	}
}

// Joined is closed when the member is announced.
func (w *Worker) Joined() <-chan struct{} { return w.joined }

// Drain asks for a clean end: start nothing more, finish what runs, leave. It may be called at any
// time, and again.
func (w *Worker) Drain() { w.drainOnce.Do(func() { close(w.draining) }) }

// Abort asks for the end at once; handlers are told by their contexts.
func (w *Worker) Abort() {
	w.forceOnce.Do(func() { close(w.forced) })
	w.Drain()
}

// Serve is the member's whole life: it joins, works until ctx ends or [Worker.Drain] is called, and
// leaves. It may be called once.
//
// The error is of [CodeForced] where handlers still ran when the grace had ended or after
// [Worker.Abort], of [CodeIDTaken] where another live process has the id, of [CodeUnreachable]
// where the configuration allows no connection at all. A server that is down is no error.
func (w *Worker) Serve(ctx context.Context) error {
	defer context.AfterFunc(ctx, w.Drain)()
	nc, err := connect(w.config, w.up)
	if err != nil {
		return err
	}
	// Not the caller's: what is in hand is brought to its end after ctx has ended.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	aborted, abort := context.WithCancelCause(life)
	defer abort(nil)
	w.build(nc, aborted)
	close(w.built())
	defer nc.Close()

	if w.join(life) {
		err = w.work(life, end, abort)
	}
	w.leave(ctx)
	if w.idTaken.Load() {
		return &Error{Code: CodeIDTaken, Message: "member id " + w.config.Member + " is in use by another live process"}
	}
	return err
}
