package muster

import (
	"context"
	"encoding/json"
)

// keptRecord is a message's attempts record as it was read.
type keptRecord struct {
	// record is nil where there is none of this message.
	record   *attemptsRecord
	revision uint64
	// exists: the key holds a record at all, be it of another message.
	exists bool
}

// records is the attempts records of one group.
type records struct {
	wire   *wire
	stream string
	group  string
}

func (r *records) get(ctx context.Context, m *message) (keptRecord, error) {
	entry, err := r.wire.kvGet(ctx, attemptsBucket, r.key(m))
	if err != nil || !entry.exists {
		return keptRecord{revision: entry.revision}, err
	}
	record := &attemptsRecord{}
	if err := json.Unmarshal(entry.value, record); err != nil {
		return keptRecord{}, unreachable(err, "the attempts record of %d cannot be read", m.ack.seq)
	}
	if record.StoreTime != m.ack.storeTime {
		// Another message under the same sequence: the stream was made again.
		record = nil
	}
	return keptRecord{record: record, revision: entry.revision, exists: true}, nil
}

// write puts the record over what was read. Somebody else's write meanwhile counts as unreachable.
func (r *records) write(ctx context.Context, m *message, record attemptsRecord, kept keptRecord) (keptRecord, error) {
	revision, err := r.wire.kvPut(ctx, attemptsBucket, r.key(m), mustJSON(record), kept.revision)
	if HasCode(err, CodeConflict) {
		err = unreachable(err, "the attempts record of %d", m.ack.seq)
	}
	if err != nil {
		return kept, err
	}
	return keptRecord{record: &record, revision: revision, exists: true}, nil
}

// delete cleans up after the message is settled; what stays expires with the bucket.
func (r *records) delete(ctx context.Context, m *message, kept keptRecord) {
	if kept.exists {
		_ = r.wire.kvDelete(ctx, attemptsBucket, r.key(m), kept.revision)
	}
}

func (r *records) key(m *message) string { return AttemptsKey(r.stream, r.group, m.ack.seq) }

// recordOf is the record to go on from: a new one where there is none of this message.
func recordOf(m *message, known *attemptsRecord) attemptsRecord {
	if known != nil && known.StoreTime == m.ack.storeTime {
		return *known
	}
	return attemptsRecord{V: 1, Sequence: m.ack.seq, StoreTime: m.ack.storeTime, EventID: m.eventID, History: []attemptEntry{}}
}
