package muster

import (
	"context"
	"errors"
	"sync"
	"time"
)

// What takes messages, once there is a spec it can work by: the delivery mode with its ledger, and what
// holds it back, an outage, the breaker, or a watchdog that sees it stall.

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

func (w *Worker) wake() {
	if m := w.mode.Load(); m != nil {
		m.intake.pump()
		m.source.wake()
	}
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

// mayPull is false while paused, degraded, draining, without a spec or not joined.
func (w *Worker) mayPull() bool {
	return w.hasJoined.Load() && w.state() == stateRunning && !w.outage.isOn() && !w.breaker.isOpen()
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
