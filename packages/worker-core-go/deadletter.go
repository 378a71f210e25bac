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

// death is why a message is set aside, and what happened before.
type death struct {
	reason   string
	class    string
	text     string
	attempts int
	history  []attemptEntry
}

// deadLetters makes and publishes the dead letters of this member.
type deadLetters struct {
	wire   *wire
	config Config
}

// headers is the whole header set, which the row dead keeps as well.
func (d *deadLetters) headers(m *message, why death, contract string) map[string]string {
	now := timestamp(time.Now())
	first := now
	if len(why.history) > 0 && why.history[0].StartedAt != "" {
		first = why.history[0].StartedAt
	}
	facts := deadLetterFacts{
		Stream:       d.config.Stream,
		Seq:          m.ack.seq,
		StoreTime:    m.ack.storeTime,
		Subject:      m.subject,
		Group:        d.config.Group,
		Reason:       why.reason,
		ErrorClass:   why.class,
		Error:        why.text,
		Attempts:     why.attempts,
		FirstAt:      first,
		LastAt:       now,
		Member:       d.config.Member,
		Language:     Language,
		Version:      d.config.Version,
		Contract:     contract,
		EventID:      m.eventID,
		ReplayNumber: m.replayNumber,
		History:      why.history,
	}
	limit := int(d.wire.nc.MaxPayload()) - len(m.body) - spareBytes
	return deadLetterHeaders(m.headers, facts, limit)
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
