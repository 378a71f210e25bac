package muster

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// notCountedDelay is the delay of what is given back because something does not answer; no attempt
// is counted.
const notCountedDelay = 5 * time.Second

// steps takes one delivery up to its handler: look up, admit, parse and validate.
type steps struct {
	*settleParts

	dead      *dead
	contracts *contracts
	log       *slog.Logger
	conn      *nats.Conn
	// onUnreachable is called when ledger, records or dead letters do not answer.
	onUnreachable func(error)
	// isDraining: what has not started is given back.
	isDraining atomic.Bool
}

// prepare is every step before the handler; nil when the delivery has ended.
func (s *steps) prepare(ctx context.Context, m *message) (*delivery, error) {
	// The start comes right behind the verdict and checks the same; only what asks somebody does before.
	isAsking := s.ledger.looksUpFirst() || m.ack.delivered > 1
	if isAsking && !s.mayGoOn(m) {
		return nil, nil
	}
	spec := s.spec()
	d := newDelivery(m, m.contract(spec), s.log, s.conn)
	if isAsking {
		found, err := s.ledger.lookUp(ctx, m)
		if err != nil {
			return nil, err
		}
		if d.lookUp = found; found.decision != rowRun {
			return nil, s.dead.decided(ctx, d)
		}
	}
	if m.ack.delivered > 1 {
		if isSettled, err := s.admit(ctx, d, spec); isSettled || err != nil {
			return nil, err
		}
	}
	return s.validate(ctx, d, spec)
}

// noteStart notes that the handler is about to start; false when the message is not ours to start.
func (s *steps) noteStart(ctx context.Context, d *delivery) (bool, error) {
	m := d.message
	if !s.mayGoOn(m) {
		return false, nil
	}
	kept, err := s.known(ctx, d)
	if err != nil {
		return false, err
	}
	noted, err := s.records.put(ctx, m, s.records.withStart(m, kept, time.Now()), kept)
	if err != nil {
		return false, err
	}
	if noted == nil {
		// Somebody else has noted a start since: the next delivery looks at the record again.
		s.giveBackLater(m, endFields{})
		return false, nil
	}
	d.kept = noted
	return true, nil
}

// known is the message's attempts record, read once.
func (s *settleParts) known(ctx context.Context, d *delivery) (*keptRecord, error) {
	if d.kept == nil {
		kept, err := s.records.get(ctx, d.message)
		if err != nil {
			return nil, err
		}
		d.kept = kept
	}
	return d.kept, nil
}

// mayGoOn is false when the message is lost, or is given back because the member drains.
func (s *steps) mayGoOn(m *message) bool { return s.mayStart(m, time.Now()) }

func (s *steps) mayStart(m *message, now time.Time) bool {
	if !s.hold.isOursAt(m, now) {
		s.ends.end(m, 0, outcomeLost, endFields{})
		return false
	}
	if s.isDraining.Load() {
		s.giveBack(m)
		return false
	}
	return true
}

// giveBack hands a message that was not started to another member, at once.
func (s *steps) giveBack(m *message) {
	s.hold.nak(m, 0)
	s.ends.end(m, 0, outcomeReturned, endFields{})
}

// broken: something did not answer, or the core itself failed. Given back, no attempt counted.
func (s *steps) broken(m *message, err error) {
	s.giveBackLater(m, endFields{err: err.Error()})
	if HasCode(err, CodeUnreachable) {
		s.onUnreachable(err)
		return
	}
	s.log.Error("delivery failed", "code", "internal", "seq", m.ack.seq, "event_id", m.eventID,
		"error", err.Error(), "delay_ms", notCountedDelay.Milliseconds())
}

func (s *steps) giveBackLater(m *message, f endFields) {
	delay := notCountedDelay.Milliseconds()
	f.delayMs = &delay
	s.hold.nak(m, notCountedDelay)
	s.ends.end(m, 0, outcomeRetry, f)
}

// admit is true when the delivery has ended.
func (s *steps) admit(ctx context.Context, d *delivery, spec *Spec) (bool, error) {
	m := d.message
	kept, err := s.known(ctx, d)
	if err != nil {
		return false, err
	}
	decision, attempt := admit(kept.record, m.ack.delivered, m.ack.storeTime, spec.Retry.MaxAttempts)
	d.Attempt = attempt
	d.isSuspect = decision == admitSuspect
	if decision == admitRun || decision == admitSuspect {
		return false, nil
	}
	class, text := recordOf(m, kept.record).lastError()
	// The handler was not started now: it is no attempt that has ended.
	d.Attempt = 0
	return true, s.dead.dead(ctx, d, failure{reason: string(decision), class: class, text: text}, kept.record)
}

func (s *steps) validate(ctx context.Context, d *delivery, spec *Spec) (*delivery, error) {
	if !slices.Contains(spec.Contracts, d.contract) {
		return nil, s.refuse(ctx, d, failure{reasonUnknownContract, "UnknownContract", "unknown contract " + d.contract})
	}
	judge := s.contracts.get(ctx, d.contract)
	if judge == nil {
		s.log.Error("contract missing", "code", "no_contract", "seq", d.message.ack.seq, "contract", headerText(d.contract, maxText))
		s.giveBackLater(d.message, endFields{})
		return nil, nil
	}
	value, code, text := judge.judge(d.message.body)
	if code != "" {
		return nil, s.refuse(ctx, d, failure{reasonInvalid, "InvalidMessage", text})
	}
	d.Value = value
	return d, nil
}

// refuse sets a message aside whose handler was not started.
func (s *steps) refuse(ctx context.Context, d *delivery, why failure) error {
	if !s.mayGoOn(d.message) {
		return nil
	}
	d.Attempt = 0
	kept, err := s.known(ctx, d)
	if err != nil {
		return err
	}
	return s.dead.dead(ctx, d, why, kept.record)
}
