package muster

import (
	"context"
	"encoding/json"
	"time"
)

// keptRecord is a message's attempts record as it is in the bucket.
type keptRecord struct {
	// record is nil where there is none, or one of another message under the same sequence.
	record   *attemptsRecord
	revision uint64
}

func (k *keptRecord) known() *attemptsRecord {
	if k == nil {
		return nil
	}
	return k.record
}

// records is the attempts records of one group.
type records struct {
	wire   *wire
	config Config
}

// attemptFailed is how an attempt failed; without a delay it is not tried again.
type attemptFailed struct {
	startedAt time.Time
	class     string
	text      string
	delayMs   *int64
}

func (r *records) get(ctx context.Context, m *message) (*keptRecord, error) {
	entry, err := r.wire.kvGet(ctx, attemptsBucket, r.key(m))
	if err != nil {
		return nil, err
	}
	kept := &keptRecord{revision: entry.revision}
	if record := readRecord(entry); record != nil && record.StoreTime == m.ack.storeTime {
		kept.record = record
	}
	return kept, nil
}

// put writes the record over what was read; nil: it has changed since.
func (r *records) put(ctx context.Context, m *message, record attemptsRecord, over *keptRecord) (*keptRecord, error) {
	revision, err := r.wire.kvPut(ctx, attemptsBucket, r.key(m), mustJSON(record), over.revision)
	switch {
	case HasCode(err, CodeConflict):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return &keptRecord{record: &record, revision: revision}, nil
	}
}

// delete cleans up after the message is settled; what stays expires with the bucket.
func (r *records) delete(ctx context.Context, m *message, kept *keptRecord) {
	if kept != nil && kept.record != nil {
		_ = r.wire.kvDelete(ctx, attemptsBucket, r.key(m), kept.revision)
	}
}

// withStart is the record with the note that the handler is about to start.
func (r *records) withStart(m *message, kept *keptRecord, startedAt time.Time) attemptsRecord {
	return recordOf(m, kept.known()).noteStart(r.entry(startedAt), m.ack.delivered)
}

// withFailure is the record with a failed attempt; one whose start was noted is not counted twice.
func (r *records) withFailure(m *message, kept *keptRecord, f attemptFailed) attemptsRecord {
	entry := r.entry(f.startedAt)
	entry.EndedAt, entry.ErrorClass, entry.Error, entry.DelayMs = timestamp(time.Now()), f.class, f.text, f.delayMs
	return recordOf(m, kept.known()).fail(entry, m.ack.delivered)
}

// withSnooze is the record with a snooze, which is no attempt.
func (r *records) withSnooze(m *message, kept *keptRecord, startedAt time.Time, delayMs int64) attemptsRecord {
	entry := r.entry(startedAt)
	entry.EndedAt, entry.DelayMs = timestamp(time.Now()), &delayMs
	return recordOf(m, kept.known()).snooze(entry, m.ack.delivered)
}

// probe gives an error while the bucket does not answer.
func (r *records) probe(ctx context.Context) error {
	_, err := r.wire.kvGet(ctx, attemptsBucket, AttemptsKey(r.config.Stream, r.config.Group, 0))
	return err
}

func (r *records) entry(startedAt time.Time) AttemptEntry {
	return AttemptEntry{
		Member: r.config.Member, Language: Language, Version: headerText(r.config.Version, maxText), StartedAt: timestamp(startedAt),
	}
}

func (r *records) key(m *message) string {
	return AttemptsKey(r.config.Stream, r.config.Group, m.ack.seq)
}

// readRecord: one that cannot be read, or is of another version, counts as none and is written over.
func readRecord(entry kvEntry) *attemptsRecord {
	record := &attemptsRecord{}
	if !entry.exists || json.Unmarshal(entry.value, record) != nil || record.V != 1 {
		return nil
	}
	return record
}

// recordOf is the record to go on from: a new one where there is none of this message.
func recordOf(m *message, known *attemptsRecord) attemptsRecord {
	if known != nil && known.StoreTime == m.ack.storeTime {
		return *known
	}
	return attemptsRecord{V: 1, Sequence: m.ack.seq, StoreTime: m.ack.storeTime, EventID: m.eventID, History: []AttemptEntry{}}
}
