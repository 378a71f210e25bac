package muster

import (
	"context"
	"errors"
	"time"
)

// The loops of a member's life, and what it decides by.

// beat polls the spec and writes the record, also while draining: a record that expires looks like
// a crash.
func (w *Worker) beat(ctx context.Context) {
	for {
		timer := time.NewTimer(w.config.Heartbeat)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-w.beatNow:
		case <-timer.C:
		}
		timer.Stop()
		err := w.member.beat(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
		case HasCode(err, CodeIDTaken):
			w.taken(err)
			return
		default:
			w.metrics.heartbeatFailures.Inc()
			w.config.Log.Debug("heartbeat not written", "code", "unreachable", "error", err.Error())
		}
	}
}

// follow follows the spec: beside the heartbeat, which must not expire for a ledger that is slow to open.
func (w *Worker) follow(ctx context.Context) {
	for pause(ctx, w.config.Heartbeat) == nil {
		w.poll(ctx)
	}
}

// poll brings the member up to date with its spec and contracts.
func (w *Worker) poll(ctx context.Context) {
	spec := w.base.spec
	before := spec.current.Load()
	spec.poll(ctx)
	last := spec.last.Load()
	if last == nil {
		return
	}
	w.base.hold.setAckWait(ms(last.AckWaitMs))
	w.base.contracts.load(ctx, last.Contracts)
	if w.mode.Load() == nil && spec.current.Load() != nil {
		w.begin(ctx, last)
	}
	if now := spec.current.Load(); now != before && now != nil {
		if listener := w.config.Events.Spec; listener != nil {
			tell(w.config.Log, func() { listener(*now) })
		}
		w.tellPause(now.Paused)
	}
	// Concurrency or pause may have changed.
	w.wake()
}

// begin builds the mode, where the member can work by the spec.
func (w *Worker) begin(ctx context.Context, spec *Spec) {
	why, code := whyUnsupported(spec, w.config), "unsupported_spec"
	var l ledger
	var err error
	if why == "" {
		if l, err = openLedger(ctx, spec, w.base, w.metrics); err != nil {
			why, code = err.Error(), codeOf(err)
		}
	}
	if why != "" {
		if ctx.Err() == nil && (w.refused != spec.Revision || w.saidWhy != why) {
			w.refused, w.saidWhy = spec.Revision, why
			w.config.Log.Error("spec cannot be used", "code", code, "revision", spec.Revision, "error", why)
		}
		return
	}
	w.base.spec.began.Store(spec)
	m, err := w.openMode(spec, l)
	if err != nil {
		l.close()
		w.config.Log.Debug("spec cannot be used", "code", "unreachable", "error", err.Error())
		return
	}
	sayWhatIsNotPromised(spec, w.config.Log)
	w.mode.Store(m)
}

// watch looks after the pull, once there is one.
func (w *Worker) watch(ctx context.Context) {
	for w.mode.Load() == nil {
		if pause(ctx, retryEvery) != nil {
			return
		}
	}
	pull := w.mode.Load().pull
	if pull == nil {
		return
	}
	dog := &watchdog{
		wire: w.base.wire, config: w.config, log: w.config.Log, pull: pull, isPullWanted: w.mayPull,
		onStalled: func() {
			w.metrics.pullRecreated.Inc()
			tell(w.config.Log, w.config.Events.Stalled)
		},
	}
	dog.run(ctx)
}

func (w *Worker) wake() {
	if m := w.mode.Load(); m != nil {
		m.intake.pump()
		m.source.wake()
	}
}

func (w *Worker) onConnection(isUp bool) {
	if isUp {
		signal(w.beatNow)
		if w.hasJoined.Load() {
			w.metrics.reconnects.Inc()
		}
	}
}

func (w *Worker) onUnreachable(err error) {
	if w.outage.begin(err) {
		w.tellDegraded(err)
		w.wake()
	}
}

func (w *Worker) onRecovered() {
	tell(w.config.Log, w.config.Events.Recovered)
	w.wake()
}

func (w *Worker) onBreaker(isOpen bool) {
	if isOpen {
		err := errors.New("too many attempts fail")
		w.config.Log.Warn("degraded", "code", "breaker_open", "error", err.Error())
		w.tellDegraded(err)
		w.wake()
		return
	}
	w.config.Log.Info("recovered", "code", "breaker_closed")
	w.onRecovered()
}

func (w *Worker) tellDegraded(err error) {
	if listener := w.config.Events.Degraded; listener != nil {
		tell(w.config.Log, func() { listener(err) })
	}
}

func (w *Worker) tellPause(isPaused bool) {
	if isPaused == w.wasPaused {
		return
	}
	w.wasPaused = isPaused
	if isPaused {
		w.config.Log.Info("paused")
		tell(w.config.Log, w.config.Events.Paused)
		return
	}
	w.config.Log.Info("resumed")
	tell(w.config.Log, w.config.Events.Resumed)
}

func (w *Worker) onHandled(took time.Duration, how string) {
	w.stats.observe(took)
	switch how {
	case "returned":
		w.metrics.returned.Observe(took.Seconds())
	case "failed":
		w.metrics.failed.Observe(took.Seconds())
	default:
		w.metrics.missed.Observe(took.Seconds())
	}
}

func (w *Worker) taken(err error) {
	w.config.Log.Error("id taken", "code", string(CodeIDTaken), "error", err.Error())
	w.isTaken.Store(true)
	w.Drain()
}

// mayPull is false while paused, degraded, draining, without a spec or not joined.
func (w *Worker) mayPull() bool {
	return w.hasJoined.Load() && w.state() == stateRunning && !w.outage.isOn() && !w.breaker.isOpen()
}

func (w *Worker) state() string {
	select {
	case <-w.draining:
		return stateDraining
	default:
	}
	base := w.joinable.Load()
	if base == nil || w.mode.Load() == nil {
		return stateStarting
	}
	spec := base.spec.current.Load()
	switch {
	case spec == nil:
		return stateStarting
	case spec.Paused:
		return statePaused
	default:
		return stateRunning
	}
}

func (w *Worker) whyNotLive() string {
	if m := w.mode.Load(); m != nil {
		return whyNotLive(w.concurrency(), int(m.handlers.late.Load()))
	}
	return ""
}

func (w *Worker) whyNotReady() []string {
	base := w.joinable.Load()
	return whyNotReady(readiness{
		hasJoined:   w.hasJoined.Load(),
		isConnected: base != nil && base.conn.isUp(),
		isDegraded:  w.outage.isOn() || w.breaker.isOpen(),
		state:       w.state(),
	})
}

func (w *Worker) concurrency() int {
	if base := w.joinable.Load(); base != nil {
		if spec := base.spec.last.Load(); spec != nil {
			return spec.Concurrency
		}
	}
	return 0
}

func (w *Worker) breakerLimits() *SpecBreaker {
	if spec := w.base.spec.last.Load(); spec != nil {
		return spec.Breaker
	}
	return nil
}

func (w *Worker) probe(ctx context.Context) error {
	if m := w.mode.Load(); m != nil {
		return m.ledger.probe(ctx)
	}
	return nil
}

// codeOf is the code of an error of ours.
func codeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return string(e.Code)
	}
	return "internal"
}
