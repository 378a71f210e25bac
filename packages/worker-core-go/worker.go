package muster

import (
	"context"
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
		e := &endpoint{log: w.config.Log, live: w.whyNotLive, ready: w.whyNotReady, metrics: w.metrics}
		if err := e.listen(ctx, w.config.HTTPHost, *w.config.HTTPPort); err != nil {
			return err
		}
		defer e.close()
		w.endpoint.Store(e)
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

func (w *Worker) open(aborted context.Context, conn *connection) {
	c := w.config
	w.aborted = aborted
	w.base = openBase(c, conn)
	w.joinable.Store(w.base)
	w.member = &member{
		wire:     w.base.wire,
		key:      MemberKey(c.Stream, c.Group, c.Member),
		instance: w.instance,
		beatTime: c.Heartbeat,
		record:   w.record,
	}
}

// join announces the member; false: it was stopped before it got there.
func (w *Worker) join(life context.Context) bool {
	ctx, cancel := context.WithCancel(life)
	defer cancel()
	var stopping sync.WaitGroup
	defer stopping.Wait()
	defer cancel()
	stopping.Go(func() {
		select {
		case <-w.draining:
			cancel()
		case <-ctx.Done():
		}
	})
	for {
		err := w.tryJoin(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case HasCode(err, CodeIDTaken):
			w.taken(err)
			return false
		case err == nil:
			w.hasJoined.Store(true)
			w.config.Log.Info("joined", "state", w.state(), "revision", w.snapshot().specRevision)
			close(w.joined)
			tell(w.config.Log, w.config.Events.Joined)
			return true
		}
		w.config.Log.Debug("heartbeat not written", "code", "unreachable", "error", err.Error())
		if pause(ctx, retryEvery) != nil {
			return false
		}
	}
}

func (w *Worker) tryJoin(ctx context.Context) error {
	// Before the record says that the member is here: who reads it may send a command at once.
	if w.command == nil {
		c := w.config
		command, err := w.base.conn.nc.Subscribe(MemberSubject(c.Stream, c.Group, c.Member, "drain"), w.onDrain)
		if err != nil {
			return unreachable(err, "cannot subscribe to commands")
		}
		w.command = command
	}
	w.poll(ctx)
	return w.member.join(ctx)
}

// work runs until the member has drained.
func (w *Worker) work(life context.Context, abort context.CancelCauseFunc) error {
	ctx, end := context.WithCancel(life)
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){w.base.hold.run, w.beat, w.follow, w.outage.run, w.watch} {
		loops.Go(func() { loop(ctx) })
	}
	w.wake()
	<-w.draining
	err := w.drain(life, abort)
	end()
	loops.Wait()
	return err
}

func (w *Worker) drain(life context.Context, abort context.CancelCauseFunc) error {
	w.config.Log.Info("draining", "state", w.state())
	signal(w.beatNow)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.finish(life)
	}()
	grace := time.NewTimer(w.config.Grace)
	defer grace.Stop()
	select {
	case <-ended:
		return nil
	case <-w.forced:
	case <-grace.C:
	}
	select {
	case <-ended:
		return nil
	default:
	}
	abort(errAborted)
	// A moment for those that listen, so that they end in order.
	ctx, cancel := context.WithTimeout(life, windUp/4)
	defer cancel()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return &Error{Code: CodeForced, Message: "stopped while handlers were running"}
}

// finish returns when nothing runs any more.
func (w *Worker) finish(life context.Context) {
	mode := w.mode.Load()
	if mode == nil {
		return
	}
	// Unsubscribed first: what is given back must not be pushed to us again, or, when we are gone, to
	// nobody.
	mode.intake.stop()
	mode.source.drain(life)
	mode.intake.drain()
	w.running.Wait()
}

func (w *Worker) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, windUp)
	defer cancel()
	if w.command != nil {
		_ = w.command.Unsubscribe()
	}
	w.breaker.close()
	w.base.answers.close()
	if w.base.conn.isUp() {
		if err := w.member.leave(ctx); err != nil {
			w.config.Log.Debug("heartbeat not written", "code", "unreachable", "error", err.Error())
		}
		_ = w.base.conn.flush(ctx, windUp)
	}
	if mode := w.mode.Load(); mode != nil {
		mode.close()
	}
	w.config.Log.Info("left")
	tell(w.config.Log, w.config.Events.Left)
}

// onRefused ends the member: without what the server refuses there is no work, and a process that ends
// says so more clearly than one that waits.
func (w *Worker) onRefused(code Code, err error) {
	message := map[Code]string{CodeLoginRefused: "login refused", CodeNotPermitted: "not permitted"}[code]
	if w.refusal.CompareAndSwap(nil, &Error{Code: code, Message: message, Err: err}) {
		w.config.Log.Error(message, "code", string(code), "error", err.Error())
	}
	w.Drain()
}

func (w *Worker) onDrain(msg *nats.Msg) {
	if msg.Reply != "" {
		_ = msg.Respond([]byte(`{"ok":true}`))
	}
	w.Drain()
}
