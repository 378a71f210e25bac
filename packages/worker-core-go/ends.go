package muster

import (
	"context"
	"log/slog"
	"time"
)

// settleParts is what settling works with.
type settleParts struct {
	hold        *hold
	ledger      ledger
	records     *records
	deadLetters *deadLetters
	spec        func() *Spec
	ends        *ends
}

// ends tells what became of a delivery: counts, the log, whoever listens.
type ends struct {
	stats   *stats
	metrics *metrics
	log     *slog.Logger
	events  *Events
	breaker *breaker
	onStep  func(step string)
}

// endFields are told where they are there.
type endFields struct {
	reason  string
	err     string
	delayMs *int64
}

// end: the delivery has ended, in the given attempt; 0: its handler was not started.
func (e *ends) end(m *message, attempt int, outcome string, f endFields) {
	e.stats.count(outcome)
	if f.reason != "" {
		e.metrics.deadLetter(f.reason)
	}
	if f.err != "" {
		e.stats.failed(f.err)
	}
	e.metrics.settled(time.Since(m.receivedAt))
	if attempt > 0 {
		e.tellAttempt(outcome, f.reason)
	}
	if e.events.Settled != nil {
		settled := Settled{Outcome: outcome, Sequence: m.ack.seq, EventID: m.eventID, Attempt: attempt, Reason: f.reason}
		tell(e.log, func() { e.events.Settled(settled) })
	}
	level, text := slog.LevelDebug, "settled"
	if outcome == outcomeDead {
		level, text = slog.LevelWarn, "dead letter"
	}
	if ctx := context.Background(); e.log.Enabled(ctx, level) {
		e.log.Log(ctx, level, text, e.fields(m, attempt, outcome, f)...)
	}
}

func (e *ends) fields(m *message, attempt int, outcome string, f endFields) []any {
	fields := []any{
		"seq", m.ack.seq, "event_id", m.eventID, "delivery", m.ack.delivered, "attempt", attempt, "outcome", outcome,
	}
	if f.reason != "" {
		fields = append(fields, "reason", f.reason)
	}
	if f.err != "" {
		fields = append(fields, "error", headerText(f.err, maxText))
	}
	if f.delayMs != nil {
		fields = append(fields, "delay_ms", *f.delayMs)
	}
	return fields
}

// tellAttempt: an attempt of a handler has ended; a permanent failure is not counted as failed.
func (e *ends) tellAttempt(outcome, reason string) {
	switch {
	case outcome == outcomeRetry || reason == reasonExhausted:
		e.breaker.attemptEnded(true)
	case outcome == outcomeDone || reason == reasonPermanent:
		e.breaker.attemptEnded(false)
	}
}

// changing: two writers keep overtaking each other; given back, and tried again later.
func changing(m *message) error {
	return unreachable(nil, "event %s: its row or record keeps changing", m.eventID)
}
