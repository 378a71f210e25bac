package muster

import (
	"context"
	"time"
)

// spareBytes is the room left between a dead letter and the server's limit.
const spareBytes = 1024

// The reasons for a dead letter.
const (
	reasonInvalid         = "invalid"
	reasonUnknownContract = "unknown_contract"
	reasonPermanent       = "permanent"
	reasonExhausted       = "exhausted"
	reasonCrashLoop       = "crash_loop"
	reasonConflict        = "conflict"
)

var reasons = []string{
	reasonInvalid, reasonUnknownContract, reasonPermanent, reasonExhausted, reasonCrashLoop, reasonConflict,
}

// deadLetters makes and publishes the dead letters of this member.
type deadLetters struct {
	wire   *wire
	config Config
}

// headers is the whole header set, which the row dead keeps as well.
func (d *deadLetters) headers(m *message, why failure, contract string, record *attemptsRecord) map[string]string {
	now := timestamp(time.Now())
	facts := deadLetterFacts{
		Stream:       d.config.Stream,
		Seq:          m.ack.seq,
		StoreTime:    m.ack.storeTime,
		Subject:      m.subject,
		Group:        d.config.Group,
		Reason:       why.reason,
		ErrorClass:   why.class,
		Error:        why.text,
		FirstAt:      now,
		LastAt:       now,
		Member:       d.config.Member,
		Language:     Language,
		Version:      d.config.Version,
		Contract:     contract,
		EventID:      m.eventID,
		ReplayNumber: m.replayNumber,
	}
	if record != nil {
		facts.Attempts, facts.History = record.Attempts, record.History
		if len(record.History) > 0 && record.History[0].StartedAt != "" {
			facts.FirstAt = record.History[0].StartedAt
		}
	}
	limit := d.wire.conn.maxPayload() - len(m.body) - spareBytes
	return deadLetterHeaders(m.header.last(), facts, limit)
}

// publish waits for the PubAck. The id makes a second time harmless.
func (d *deadLetters) publish(ctx context.Context, m *message, headers map[string]string) error {
	subject := DLQSubject(d.config.Stream, d.config.Group, headers[headerReason])
	_, err := d.wire.stored(ctx, subject, headers, m.body)
	if HasCode(err, CodeConflict) {
		err = unreachable(err, "the dead letter of %s", m.eventID)
	}
	return err
}
