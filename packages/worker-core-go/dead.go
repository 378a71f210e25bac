package muster

import "context"

// failure is why a message is set aside.
type failure struct {
	reason string
	class  string
	text   string
}

var conflictFailure = failure{
	reason: reasonConflict, class: "Conflict", text: "event id was already settled with another body",
}

// dead sets messages aside, and does what a ledger row says that is there already. First what is
// durable, then the message, then cleaning up, so that a kill between two steps leaves a message
// that the next member finishes. Its errors are unreachable.
type dead struct{ *settleParts }

// rowTries is how often a row is written that changes meanwhile.
const rowTries = 2

// dead sets the message aside; the record's history goes with it.
func (s *dead) dead(ctx context.Context, d *delivery, why failure, record *attemptsRecord) error {
	headers := s.deadLetters.headers(d.message, why, d.contract, record)
	for range rowTries {
		if !s.hold.isOurs(d.message) {
			s.ends.end(d.message, 0, outcomeLost, endFields{})
			return nil
		}
		write := rowWrite{message: d.message, lookUp: d.lookUp, status: statusDead, reason: why.reason, headers: headers}
		written, err := s.ledger.write(ctx, write, nil)
		if err != nil {
			return err
		}
		if written {
			if s.ledger.kind() != ledgerNone {
				s.ends.onStep("row_dead")
			}
			return s.bury(ctx, d, headers)
		}
		if isDecided, err := s.isDecidedElsewhere(ctx, d); isDecided || err != nil {
			return err
		}
	}
	return changing(d.message)
}

// isDecidedElsewhere is for after a failed compare: true when the new row settled the message.
func (s *dead) isDecidedElsewhere(ctx context.Context, d *delivery) (bool, error) {
	found, err := s.ledger.lookUpAgain(ctx, d.message, d.lookUp)
	if err != nil {
		return false, err
	}
	if d.lookUp = found; found.decision == rowRun {
		return false, nil
	}
	return true, s.decided(ctx, d)
}

// decided does what the ledger's row says; not for run.
func (s *dead) decided(ctx context.Context, d *delivery) error {
	m := d.message
	switch d.lookUp.decision {
	case rowRepeat, rowStale:
		return s.joined(ctx, d)
	case rowFinish:
		return s.bury(ctx, d, d.lookUp.row.Headers)
	case rowConflict:
		kept, err := s.known(ctx, d)
		if err != nil {
			return err
		}
		return s.bury(ctx, d, s.deadLetters.headers(m, conflictFailure, d.contract, kept.record))
	case rowRun:
	}
	// The row changed while a message joined it, back to what may be overwritten.
	return changing(m)
}

// joined settles a message that the row knows by then: an ack or a term leaves nothing behind, and
// without its sequence in the row the account would call it lost.
func (s *dead) joined(ctx context.Context, d *delivery) error {
	m, wanted := d.message, d.lookUp.decision
	if wanted == rowStale && !s.hold.isOurs(m) {
		s.ends.end(m, 0, outcomeLost, endFields{})
		return nil
	}
	found, err := s.ledger.join(ctx, m, d.lookUp)
	if err != nil {
		return err
	}
	if d.lookUp = found; found.decision != wanted {
		return s.decided(ctx, d)
	}
	if wanted == rowStale {
		s.hold.term(m, "stale")
		s.ends.end(m, 0, outcomeStale, endFields{})
	} else {
		s.hold.ack(ctx, m)
		s.ends.end(m, 0, outcomeRepeat, endFields{})
	}
	return s.cleanUp(ctx, d)
}

// bury publishes the dead letter, then ends the message.
func (s *dead) bury(ctx context.Context, d *delivery, headers map[string]string) error {
	m := d.message
	if !s.hold.isOurs(m) {
		s.ends.end(m, 0, outcomeLost, endFields{})
		return nil
	}
	if err := s.deadLetters.publish(ctx, m, headers); err != nil {
		return err
	}
	s.ends.onStep("dead_lettered")
	s.hold.term(m, headers[headerReason])
	s.ends.end(m, d.Attempt, outcomeDead, endFields{reason: headers[headerReason], err: headers[headerError]})
	return s.cleanUp(ctx, d)
}

// cleanUp deletes the record of a first delivery too: a consumer made again counts from 1 again, but
// then its record was read.
func (s *settleParts) cleanUp(ctx context.Context, d *delivery) error {
	s.records.delete(ctx, d.message, d.kept)
	return nil
}
