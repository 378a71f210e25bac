package muster

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"time"
)

// The loops of a member's life, and what it tells of itself.

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
		if err := w.pollSpec(ctx); err != nil {
			w.config.Log.Debug("spec not polled", "error", err.Error())
		}
		err := w.member.beat(ctx)
		switch {
		case err == nil:
		case HasCode(err, CodeIDTaken):
			w.taken(err)
			return
		default:
			w.config.Log.Debug("beat missed", "error", err.Error())
		}
	}
}

func (w *Worker) pollSpec(ctx context.Context) error {
	if err := w.spec.poll(ctx); err != nil {
		return err
	}
	if spec := w.spec.current(); spec != nil {
		w.slots.setLimit(spec.Concurrency)
		w.hold.setAckWait(ms(spec.AckWaitMs))
		w.puller.wake()
		return w.contracts.load(ctx, spec.Contracts)
	}
	return nil
}

// recoverLedger asks a degraded member's ledger every second until it answers.
func (w *Worker) recoverLedger(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.isDegraded:
		}
		for w.degraded.Load() {
			if pause(ctx, retryEvery) != nil {
				return
			}
			if w.ledger.probe(ctx) == nil {
				w.degraded.Store(false)
				w.config.Log.Info("recovered", "state", w.state())
				w.puller.wake()
			}
		}
	}
}

// reconnected brings up to date what a lost connection has made stale.
func (w *Worker) reconnected(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.isUp:
			w.puller.forget()
			w.hold.sendLateAcks()
			w.hold.extend(ctx)
			signal(w.beatNow)
		}
	}
}

func (w *Worker) degrade(err error) {
	if !w.degraded.Swap(true) {
		w.config.Log.Warn("degraded", "error", err.Error())
	}
	signal(w.isDegraded)
}

func (w *Worker) taken(err error) {
	w.config.Log.Error("id taken", "code", string(CodeIDTaken), "error", err.Error())
	w.isTaken.Store(true)
	w.Drain()
}

// limits is what the puller may hold; concurrency 0: nothing may be pulled now.
func (w *Worker) limits() (concurrency, held int) {
	spec := w.spec.current()
	if spec == nil || spec.Paused || w.degraded.Load() || w.deliveries.isDraining() || !w.wire.nc.IsConnected() {
		return 0, w.hold.len()
	}
	return spec.Concurrency, w.hold.len()
}

func (w *Worker) state() string {
	spec := w.spec.current()
	switch {
	case w.deliveries.isDraining():
		return "draining"
	case spec == nil:
		return "starting"
	case spec.Paused:
		return "paused"
	default:
		return "running"
	}
}

func (w *Worker) record() memberRecord {
	host, _ := os.Hostname()
	r := memberRecord{
		V:             1,
		ID:            w.config.Member,
		Instance:      w.instance,
		Language:      Language,
		CoreVersion:   CoreVersion,
		AppVersion:    w.config.Version,
		Host:          host,
		PID:           os.Getpid(),
		StartedAt:     timestamp(w.startedAt),
		State:         w.state(),
		Degraded:      w.degraded.Load(),
		Delivery:      "pull",
		Held:          w.hold.len(),
		Contracts:     w.contracts.names(),
		RestartNeeded: w.spec.restartNeeded(),
	}
	w.stats.fill(&r)
	if spec := w.spec.latest(); spec != nil {
		r.Concurrency = spec.Concurrency
	}
	if spec := w.spec.current(); spec != nil {
		r.SpecRevision = spec.Revision
	}
	if m := w.hold.oldest(); m != nil {
		r.Oldest = &memberOldest{Sequence: m.ack.seq, Since: timestamp(m.since)}
	}
	return r
}

// newUUID is a random (version 4) UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
