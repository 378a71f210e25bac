package muster

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// retryEvery is the time between two tries at what must answer before the member can go on.
const retryEvery = time.Second

// Worker is one member of a group, from joining to leaving.
type Worker struct {
	config    Config
	handler   anyHandler
	instance  string
	startedAt time.Time
	stats     *stats
	metrics   *metrics
	breaker   *breaker
	outage    *outage

	joined    chan struct{}
	draining  chan struct{}
	forced    chan struct{}
	drainOnce sync.Once
	forceOnce sync.Once
	isTaken   atomic.Bool
	hasJoined atomic.Bool
	refusal   atomic.Pointer[Error]
	beatNow   chan struct{}
	endpoint  atomic.Pointer[endpoint]

	// joinable is base for those who may ask before there is a connection.
	joinable atomic.Pointer[base]
	base     *base
	member   *member
	command  *nats.Subscription
	mode     atomic.Pointer[mode]
	// refused is the revision of the spec that cannot be worked by, and whether that was said.
	refused   uint64
	saidWhy   string
	wasPaused bool

	// aborted ends the handlers' contexts.
	aborted context.Context //nolint:containedctx // Handlers start after the call that brings it.
	running sync.WaitGroup
}

// New makes a worker of a handler. Nothing happens before [Worker.Serve].
func New[T any](config Config, handler Handler[T]) *Worker {
	return newWorker(config, anyHandler{one: typed(handler)})
}

// NewBatch makes a worker of a handler of batches. In a group of another mode than batch it gets
// batches of one.
func NewBatch[T any](config Config, handler BatchHandler[T]) *Worker {
	return newWorker(config, anyHandler{batch: typedBatch(handler)})
}

func newWorker(config Config, handler anyHandler) *Worker {
	w := &Worker{
		config:    config.withDefaults(),
		handler:   handler,
		instance:  newUUID(),
		startedAt: time.Now(),
		stats:     &stats{},
		joined:    make(chan struct{}),
		draining:  make(chan struct{}),
		forced:    make(chan struct{}),
		beatNow:   make(chan struct{}, 1),
	}
	w.metrics = newMetrics(w.config, w.stats, w.snapshot)
	w.breaker = &breaker{limits: w.breakerLimits, concurrency: w.concurrency, onChange: w.onBreaker}
	w.outage = &outage{log: w.config.Log, probe: w.probe, onRecovered: w.onRecovered, began: make(chan struct{}, 1)}
	return w
}

// Joined is closed when the member is announced and has asked for its spec.
func (w *Worker) Joined() <-chan struct{} { return w.joined }

// Drain asks for a clean end: start nothing more, finish what runs, leave. It may be called at any
// time, and again.
func (w *Worker) Drain() { w.drainOnce.Do(func() { close(w.draining) }) }

// Abort asks for the end at once; handlers are told by their contexts.
func (w *Worker) Abort() {
	w.forceOnce.Do(func() { close(w.forced) })
	w.Drain()
}

// HTTPPort is the port of /metrics, /livez and /readyz; 0 while there is none.
func (w *Worker) HTTPPort() int {
	if e := w.endpoint.Load(); e != nil {
		return e.port
	}
	return 0
}

// Serve is the member's whole life: it joins, works until ctx ends or [Worker.Drain] is called, and
// leaves. It may be called once. A server that is down is no error: it is waited for.
//
// The error is of [CodeForced] where handlers still ran when the grace had ended or after
// [Worker.Abort], of [CodeIDTaken] where another live process has the id, of [CodeCannotListen]
// where the port of metrics and health cannot be had, of [CodeLoginRefused] or [CodeNotPermitted] where
// the server refuses the login or what the member needs, of [CodeUnreachable] where the configuration
// allows no connection at all.
func (w *Worker) Serve(ctx context.Context) (err error) {
	defer context.AfterFunc(ctx, w.Drain)()
	if w.config.HTTPPort != nil {
		e, err := w.serveHTTP(ctx, *w.config.HTTPPort)
		if err != nil {
			return err
		}
		defer e.close()
	}
	conn, err := connect(w.config, w.onRefused)
	if err != nil {
		return err
	}
	defer conn.nc.Close()
	conn.onChange(w.onConnection)
	// Not the caller's: what is in hand is brought to its end after ctx has ended.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	aborted, abort := context.WithCancelCause(life)
	defer abort(nil)
	w.open(aborted, conn)

	if w.join(life) {
		err = w.work(life, abort)
	}
	w.leave(context.WithoutCancel(ctx))
	if w.isTaken.Load() {
		return w.member.taken()
	}
	if refusal := w.refusal.Load(); refusal != nil {
		return refusal
	}
	return err
}
