package muster

import (
	"context"
	"log/slog"
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
	handler   handlerFunc
	instance  string
	startedAt time.Time

	joined    chan struct{}
	draining  chan struct{}
	forced    chan struct{}
	drainOnce sync.Once
	forceOnce sync.Once
	isTaken   atomic.Bool
	degraded  atomic.Bool
	// signals for the loops; each holds at most one.
	isUp, beatNow, isDegraded chan struct{}

	// Made by build, once there is a connection.
	wire       *wire
	spec       *specPoll
	contracts  *contracts
	hold       *hold
	slots      *slots
	stats      *stats
	ledger     *ledger
	member     *member
	command    *nats.Subscription
	puller     *puller
	deliveries *deliveries

	mu          sync.Mutex
	isAccepting bool
	running     sync.WaitGroup
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
		isUp:       make(chan struct{}, 1),
		beatNow:    make(chan struct{}, 1),
		isDegraded: make(chan struct{}, 1),
	}
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

// Serve is the member's whole life: it joins, works until ctx ends or [Worker.Drain] is called, and
// leaves. It may be called once. A server that is down is no error: it is waited for.
//
// The error is of [CodeForced] where handlers still ran when the grace had ended or after
// [Worker.Abort], of [CodeIDTaken] where another live process has the id, of [CodeUnreachable]
// where the configuration allows no connection at all.
func (w *Worker) Serve(ctx context.Context) error {
	defer context.AfterFunc(ctx, w.Drain)()
	nc, err := connect(w.config, func() { signal(w.isUp) })
	if err != nil {
		return err
	}
	defer nc.Close()
	// Not the caller's: what is in hand is brought to its end after ctx has ended.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	aborted, abort := context.WithCancelCause(life)
	defer abort(nil)
	w.build(nc, aborted)

	if w.join(life) {
		err = w.work(life, abort)
	}
	w.leave(context.WithoutCancel(ctx))
	if w.isTaken.Load() {
		return w.member.taken()
	}
	return err
}

func (w *Worker) build(nc *nats.Conn, aborted context.Context) {
	c := w.config
	w.wire = &wire{nc: nc, prefix: c.APIPrefix}
	w.spec = newSpecPoll(w.wire, c)
	w.contracts = newContracts(w.wire, c.Log)
	w.hold = newHold(w.wire, c.Log)
	w.slots = &slots{}
	w.stats = &stats{}
	w.ledger = &ledger{wire: w.wire, stream: c.Stream, group: c.Group}
	w.member = &member{
		wire:     w.wire,
		key:      MemberKey(c.Stream, c.Group, c.Member),
		instance: w.instance,
		beatTime: c.Heartbeat,
		record:   w.record,
	}
	w.puller = newPuller(w.wire, c, w.limits, w.receive)
	w.deliveries = &deliveries{
		settler: &settler{
			ledger:      w.ledger,
			records:     &records{wire: w.wire, stream: c.Stream, group: c.Group},
			deadLetters: &deadLetters{wire: w.wire, config: c},
			hold:        w.hold,
			stats:       w.stats,
			config:      c,
			log:         c.Log,
		},
		wire:      w.wire,
		contracts: w.contracts,
		slots:     w.slots,
		spec:      w.spec.latest,
		handler:   w.handler,
		draining:  w.draining,
		aborted:   aborted,
		degrade:   w.degrade,
		suspects:  make(chan struct{}, 1),
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
	// Told once where people look: a bucket that is missing, or a server that is down.
	level := slog.LevelWarn
	for {
		err := w.tryJoin(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case HasCode(err, CodeIDTaken):
			w.taken(err)
			return false
		case err == nil:
			w.config.Log.Info("joined", "state", w.state())
			if w.spec.current() == nil {
				w.config.Log.Warn("spec missing")
			}
			close(w.joined)
			return true
		}
		w.config.Log.Log(ctx, level, "not joined yet", "error", err.Error())
		level = slog.LevelDebug
		if pause(ctx, retryEvery) != nil {
			return false
		}
	}
}

func (w *Worker) tryJoin(ctx context.Context) error {
	if err := w.pollSpec(ctx); err != nil {
		return err
	}
	// Before the record says that the member is here: who reads it may send a command at once.
	if w.command == nil {
		c := w.config
		command, err := w.wire.nc.Subscribe(MemberSubject(c.Stream, c.Group, c.Member, "drain"), w.onDrain)
		if err != nil {
			return unreachable(err, "cannot subscribe to commands")
		}
		w.command = command
	}
	return w.member.join(ctx)
}

// work runs until the member has drained.
func (w *Worker) work(life context.Context, abort context.CancelCauseFunc) error {
	defer func() { _ = w.command.Unsubscribe() }()
	select {
	case <-w.isUp: // From before the first pull: there is nothing to void.
	default:
	}
	w.isAccepting = true
	if err := w.puller.start(); err != nil {
		return err
	}
	ctx, end := context.WithCancel(life)
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){w.hold.run, w.puller.run, w.beat, w.recoverLedger, w.reconnected} {
		loops.Go(func() { loop(ctx) })
	}
	<-w.draining
	err := w.drain(life, abort)
	end()
	loops.Wait()
	return err
}

func (w *Worker) drain(life context.Context, abort context.CancelCauseFunc) error {
	w.config.Log.Info("draining", "state", w.state())
	w.slots.close()
	signal(w.beatNow)
	w.puller.stop(life)
	w.mu.Lock()
	w.isAccepting = false
	w.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		w.running.Wait()
		close(ended)
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
	w.config.Log.Error("handlers still running", "state", w.state())
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

func (w *Worker) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, windUp)
	defer cancel()
	if err := w.member.leave(ctx); err != nil {
		w.config.Log.Debug("record not deleted", "error", err.Error())
	}
	if w.wire.nc.IsConnected() {
		if err := w.wire.flush(ctx, windUp); err != nil {
			w.config.Log.Debug("not flushed", "error", err.Error())
		}
	}
	w.config.Log.Info("left", "state", "left")
}

// receive takes a message in hand; it is called by the subscription, one at a time.
func (w *Worker) receive(msg *nats.Msg) {
	m, ok := newMessage(msg, w.config.Group)
	if !ok {
		w.config.Log.Error("the reply is no ack reply", "error", msg.Reply)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.isAccepting {
		_ = w.wire.publish(m.reply, nakBody(0))
		return
	}
	w.hold.add(m)
	w.running.Go(func() {
		// Not a context that ends with the drain: what runs is finished.
		w.deliveries.run(w.deliveries.aborted, m)
		w.puller.wake()
	})
}

func (w *Worker) onDrain(msg *nats.Msg) {
	if msg.Reply != "" {
		_ = w.wire.publish(msg.Reply, []byte(`{"ok":true}`))
	}
	w.Drain()
}

// signal leaves a mark in a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
