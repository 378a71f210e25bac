package muster

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	// maxResultBytes bounds a handler's result as compact UTF-8 JSON.
	maxResultBytes = 8192
	conflictText   = "event id was already settled with another body"
)

// plan is a message on its way through its delivery.
type plan struct {
	message   *message
	spec      *Spec
	contract  string
	found     found
	kept      keptRecord
	attempt   int
	isSuspect bool
	value     any
}

// record is the message's attempts record, an empty one where there is none.
func (p *plan) record() attemptsRecord { return recordOf(p.message, p.kept.record) }

// failure is how an attempt failed.
type failure struct {
	class string
	text  string
	// delay replaces the backoff; nil leaves it.
	delay *time.Duration
}

// settler brings deliveries to their end: first what is durable, then the message, then cleaning
// up. Its errors are unreachable: nothing is concluded then.
type settler struct {
	ledger      *ledger
	records     *records
	deadLetters *deadLetters
	hold        *hold
	stats       *stats
	config      Config
	log         *slog.Logger
}

// done writes the row, also where the message is no longer ours: the work is done.
func (s *settler) done(ctx context.Context, p *plan, result json.RawMessage) error {
	row := s.row(p.message, statusDone)
	row.Result = result
	other, err := s.write(ctx, p, row)
	if err != nil {
		return err
	}
	if other.decision != "" {
		return s.byRow(ctx, p, other)
	}
	s.config.OnStep("row_done")
	s.ack(ctx, p, outcomeDone)
	return nil
}

// lateDone is for a handler that returned past its deadline, when its message was already given
// back: what the ledger says meanwhile stands.
func (s *settler) lateDone(ctx context.Context, p *plan, result json.RawMessage) error {
	row := s.row(p.message, statusDone)
	row.Result = result
	other, err := s.write(ctx, p, row)
	if err != nil {
		return err
	}
	switch other.decision {
	case "":
		s.ack(ctx, p, outcomeDone)
	case rowRepeat:
		return s.byRow(ctx, p, other)
	}
	return nil
}

// dead writes the row, then the dead letter.
func (s *settler) dead(ctx context.Context, p *plan, why death) error {
	if !s.hold.isOurs(p.message) {
		return nil
	}
	headers := s.deadLetters.headers(p.message, why, p.contract)
	row := s.row(p.message, statusDead)
	row.Reason, row.Headers = why.reason, headers
	other, err := s.write(ctx, p, row)
	if err != nil {
		return err
	}
	if other.decision != "" {
		return s.byRow(ctx, p, other)
	}
	s.config.OnStep("row_dead")
	return s.bury(ctx, p, headers)
}

// byRow settles a message by what the ledger already says of its event.
func (s *settler) byRow(ctx context.Context, p *plan, f found) (err error) {
	if f.decision == rowStale && !s.hold.isOurs(p.message) {
		return nil
	}
	if f, err = s.ledger.join(ctx, p.message, f); err != nil {
		return err
	}
	p.found = f
	switch f.decision {
	case rowRepeat:
		s.ack(ctx, p, outcomeRepeat)
		return nil
	case rowFinish:
		return s.bury(ctx, p, f.row.Headers)
	case rowStale:
		s.hold.term(p.message, "stale")
		s.stats.settled(outcomeStale)
		s.note(p, slog.LevelDebug, "settled", "outcome", outcomeStale)
		s.records.delete(ctx, p.message, p.kept)
		return nil
	case rowConflict:
		record := p.record()
		why := death{reasonConflict, "Conflict", conflictText, record.Attempts, record.History}
		return s.bury(ctx, p, s.deadLetters.headers(p.message, why, p.contract))
	default:
		return unreachable(nil, "the ledger row of %s keeps changing", p.message.eventID)
	}
}

// permanent is dead at once; the attempt is told in the history though no record is written.
func (s *settler) permanent(ctx context.Context, p *plan, entry attemptEntry, f failure) error {
	record, err := s.fail(ctx, p, entry, f)
	if err != nil {
		return err
	}
	return s.dead(ctx, p, death{reasonPermanent, f.class, f.text, record.Attempts, record.History})
}

// retry writes the record and gives the message back, or it is dead when its attempts are used up.
func (s *settler) retry(ctx context.Context, p *plan, entry attemptEntry, f failure) error {
	if !s.hold.isOurs(p.message) {
		return nil
	}
	record, err := s.fail(ctx, p, entry, f)
	if err != nil {
		return err
	}
	retry := p.spec.Retry
	if record.Attempts >= retry.MaxAttempts {
		return s.dead(ctx, p, death{reasonExhausted, f.class, f.text, record.Attempts, record.History})
	}
	delayMs := BackoffDelayMs(retry.BackoffMs, retry.Jitter, record.Attempts, rand.Float64())
	if f.delay != nil {
		delayMs = max(f.delay.Milliseconds(), 0)
	}
	record.History[len(record.History)-1].DelayMs = &delayMs
	return s.again(ctx, p, record, delayMs, outcomeRetry, "error", f.text)
}

// snooze writes the record, in which no attempt is counted, and gives the message back.
func (s *settler) snooze(ctx context.Context, p *plan, entry attemptEntry, delay time.Duration) error {
	if !s.hold.isOurs(p.message) {
		return nil
	}
	if err := s.know(ctx, p); err != nil {
		return err
	}
	delayMs := min(max(delay.Milliseconds(), 0), p.spec.Retry.MaxSnoozeMs)
	entry.EndedAt, entry.DelayMs = timestamp(time.Now()), &delayMs
	record := p.record().snooze(entry, p.message.ack.delivered)
	return s.again(ctx, p, record, delayMs, outcomeSnoozed)
}

func (s *settler) again(ctx context.Context, p *plan, record attemptsRecord, delayMs int64, outcome string, fields ...any) error {
	kept, err := s.records.write(ctx, p.message, record, p.kept)
	if err != nil {
		return err
	}
	p.kept = kept
	s.config.OnStep("attempt_recorded")
	s.hold.nak(p.message, ms(delayMs))
	s.stats.settled(outcome)
	s.note(p, slog.LevelDebug, "settled", append(fields, "outcome", outcome, "delay_ms", delayMs)...)
	return nil
}

func (s *settler) fail(ctx context.Context, p *plan, entry attemptEntry, f failure) (attemptsRecord, error) {
	s.stats.failed(f.text)
	if err := s.know(ctx, p); err != nil {
		return attemptsRecord{}, err
	}
	entry.EndedAt, entry.ErrorClass, entry.Error = timestamp(time.Now()), f.class, f.text
	return p.record().fail(entry, p.message.ack.delivered), nil
}

// know reads the record of a first delivery: a consumer made again counts from 1 once more, so
// there may be one.
func (s *settler) know(ctx context.Context, p *plan) (err error) {
	if p.message.ack.delivered <= 1 {
		p.kept, err = s.records.get(ctx, p.message)
	}
	return err
}

// write puts the row; once more where what is there now may be overwritten too.
func (s *settler) write(ctx context.Context, p *plan, row ledgerRow) (found, error) {
	other, err := s.ledger.write(ctx, p.message, row, p.found)
	if err == nil && other.decision == rowRun {
		p.found = other
		other, err = s.ledger.write(ctx, p.message, row, other)
	}
	return other, err
}

// bury publishes the dead letter and removes the message.
func (s *settler) bury(ctx context.Context, p *plan, headers map[string]string) error {
	if !s.hold.isOurs(p.message) {
		return nil
	}
	if err := s.deadLetters.publish(ctx, p.message, headers); err != nil {
		return err
	}
	s.config.OnStep("dead_lettered")
	s.hold.term(p.message, headers[headerReason])
	s.stats.settled(outcomeDead)
	s.stats.failed(headers[headerError])
	s.note(p, slog.LevelWarn, "dead letter",
		"outcome", outcomeDead, "reason", headers[headerReason], "error", headers[headerError])
	s.records.delete(ctx, p.message, p.kept)
	return nil
}

func (s *settler) ack(ctx context.Context, p *plan, outcome string) {
	s.hold.ack(p.message)
	s.stats.settled(outcome)
	s.note(p, slog.LevelDebug, "settled", "outcome", outcome)
	s.records.delete(ctx, p.message, p.kept)
}

func (s *settler) row(m *message, status string) ledgerRow {
	return ledgerRow{
		V:          1,
		Status:     status,
		EventID:    m.eventID,
		BodySHA256: m.identity().bodySHA256,
		Sequence:   m.ack.seq,
		StoreTime:  m.ack.storeTime,
		Member:     s.config.Member,
		Language:   Language,
		At:         timestamp(time.Now()),
	}
}

func (s *settler) note(p *plan, level slog.Level, text string, fields ...any) {
	ctx := context.Background()
	if !s.log.Enabled(ctx, level) {
		return
	}
	m := p.message
	s.log.Log(ctx, level, text, append([]any{
		"seq", m.ack.seq, "event_id", m.eventID, "delivery", m.ack.delivered, "attempt", p.attempt,
	}, fields...)...)
}
