package muster

import (
	"context"
	"time"
)

// What a member does again and again while it is in its group: it beats, and it follows the spec.

// beat writes the record until the worker leaves; while draining too: a record that expires looks like
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

// follow follows the spec until the worker leaves: beside the heartbeat, which must not expire for a
// ledger that is slow to open.
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
