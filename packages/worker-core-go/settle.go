package muster

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"
)

// settlement ends deliveries by what their handlers said. First what is durable, then the message,
// then cleaning up, so that a kill between two steps leaves a message that the next member finishes.
// Its errors are unreachable.
type settlement struct {
	*settleParts

	dead *dead
}

// recordTries is how often an attempts record is written that changes meanwhile.
const recordTries = 3

// retryCause is how an attempt failed that may be made again; delay nil: the group's backoff.
type retryCause struct {
	class string
	text  string
	delay *time.Duration
}

// settle ends a delivery whose handler was in time. again: its transaction was undone and nothing
// stands in its way any more, so the handler runs once more.
func (s *settlement) settle(ctx context.Context, d *delivery, o handled) (again bool, err error) {
	if o.err != nil {
		return false, s.failed(ctx, d, o.err)
	}
	result, err := encodeResult(o.result)
	if err != nil {
		return false, s.failed(ctx, d, &invalidResultError{err})
	}
	again, err = s.done(ctx, d, result)
	if err != nil && !HasCode(err, CodeUnreachable) {
		// The database says no to what the handler did: a statement it did not mind, a constraint that
		// is checked at the commit.
		return false, s.failed(ctx, d, err)
	}
	return again, err
}

func (s *settlement) done(ctx context.Context, d *delivery, result json.RawMessage) (again bool, err error) {
	for range rowTries {
		hadTransaction := d.tx.isOpen()
		written, err := s.ledger.write(ctx, rowWrite{message: d.message, lookUp: d.lookUp, status: statusDone, result: result}, d.tx)
		if err != nil {
			return false, err
		}
		if written {
			return false, s.written(ctx, d)
		}
		if isDecided, err := s.dead.isDecidedElsewhere(ctx, d); isDecided || err != nil {
			return false, err
		}
		if hadTransaction {
			return true, nil
		}
	}
	return false, changing(d.message)
}

// written: the row done is there. The message ends, then its record.
func (s *settlement) written(ctx context.Context, d *delivery) error {
	if s.ledger.kind() != ledgerNone {
		s.ends.onStep("row_done")
	}
	s.hold.ack(ctx, d.message)
	s.ends.end(d.message, d.Attempt, outcomeDone, endFields{})
	return s.cleanUp(ctx, d)
}

// late is for a handler that ended after its deadline, when its message had been given back
// already: a result goes through the ledger like any other.
func (s *settlement) late(ctx context.Context, d *delivery, o handled) error {
	result, err := encodeResult(o.result)
	if o.err != nil || err != nil {
		d.tx.rollback(ctx)
		return nil //nolint:nilerr // The deadline was its outcome; a late failure changes nothing.
	}
	for range rowTries {
		hadTransaction := d.tx.isOpen()
		written, err := s.ledger.write(ctx, rowWrite{message: d.message, lookUp: d.lookUp, status: statusDone, result: result}, d.tx)
		if err != nil {
			return err
		}
		if written {
			return s.written(ctx, d)
		}
		found, err := s.ledger.lookUpAgain(ctx, d.message, d.lookUp)
		if err != nil {
			return err
		}
		if d.lookUp = found; found.decision == rowRepeat {
			return s.dead.joined(ctx, d)
		}
		// The effect was undone with its transaction: the next delivery makes it again.
		if found.decision != rowRun || hadTransaction {
			return nil
		}
	}
	return nil
}

// failed ends a delivery by its handler's error.
func (s *settlement) failed(ctx context.Context, d *delivery, cause error) error {
	d.tx.rollback(ctx)
	var permanent *PermanentError
	var retryable *RetryableError
	var snooze *SnoozeError
	switch {
	case d.tx != nil && HasCode(cause, CodeUnreachable):
		// The ledger's own database is away: no fault of the handler, no attempt.
		return cause
	case errors.As(cause, &snooze):
		return s.snooze(ctx, d, snooze.Delay)
	case errors.As(cause, new(*invalidResultError)):
		return s.failedForGood(ctx, d, failure{reasonPermanent, "InvalidResult", cause.Error()})
	case errors.As(cause, &permanent):
		return s.failedForGood(ctx, d, failure{reasonPermanent, "PermanentError", cause.Error()})
	case errors.As(cause, &retryable):
		return s.retry(ctx, d, retryCause{"RetryableError", cause.Error(), retryable.Delay})
	default:
		return s.retry(ctx, d, retryCause{class: errorClass(cause), text: cause.Error()})
	}
}

// retry: an attempt failed that may be made again.
func (s *settlement) retry(ctx context.Context, d *delivery, cause retryCause) error {
	m := d.message
	for range recordTries {
		if !s.hold.isOurs(m) {
			s.ends.end(m, 0, outcomeLost, endFields{})
			return nil
		}
		kept, err := s.known(ctx, d)
		if err != nil {
			return err
		}
		failed := attemptFailed{startedAt: d.startedAt, class: cause.class, text: cause.text}
		counted := s.records.withFailure(m, kept, failed).Attempts
		rules := s.spec().Retry
		if counted >= rules.MaxAttempts {
			return s.failedForGood(ctx, d, failure{reasonExhausted, cause.class, cause.text})
		}
		delayMs := BackoffDelayMs(rules.BackoffMs, rules.Jitter, counted, rand.Float64())
		if cause.delay != nil {
			delayMs = max(cause.delay.Milliseconds(), 0)
		}
		failed.delayMs = &delayMs
		written, err := s.records.put(ctx, m, s.records.withFailure(m, kept, failed), kept)
		if err != nil {
			return err
		}
		if d.kept = written; written != nil {
			s.ends.onStep("attempt_recorded")
			s.hold.nak(m, ms(delayMs))
			s.ends.end(m, counted, outcomeRetry, endFields{err: cause.text, delayMs: &delayMs})
			return nil
		}
	}
	return changing(m)
}

// failedForGood: the attempt is told in the history though no record is written.
func (s *settlement) failedForGood(ctx context.Context, d *delivery, why failure) error {
	kept, err := s.known(ctx, d)
	if err != nil {
		return err
	}
	failed := attemptFailed{startedAt: d.startedAt, class: why.class, text: why.text}
	record := s.records.withFailure(d.message, kept, failed)
	return s.dead.dead(ctx, d, why, &record)
}

func (s *settlement) snooze(ctx context.Context, d *delivery, wanted time.Duration) error {
	m := d.message
	delayMs := min(max(wanted.Milliseconds(), 0), s.spec().Retry.MaxSnoozeMs)
	for range recordTries {
		if !s.hold.isOurs(m) {
			s.ends.end(m, 0, outcomeLost, endFields{})
			return nil
		}
		kept, err := s.known(ctx, d)
		if err != nil {
			return err
		}
		written, err := s.records.put(ctx, m, s.records.withSnooze(m, kept, d.startedAt, delayMs), kept)
		if err != nil {
			return err
		}
		if d.kept = written; written != nil {
			s.ends.onStep("attempt_recorded")
			s.hold.nak(m, ms(delayMs))
			s.ends.end(m, 0, outcomeSnoozed, endFields{delayMs: &delayMs})
			return nil
		}
	}
	return changing(m)
}

// invalidResultError is a result that cannot go into a row.
type invalidResultError struct{ err error }

func (e *invalidResultError) Error() string { return e.err.Error() }
