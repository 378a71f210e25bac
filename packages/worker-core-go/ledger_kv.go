package muster

import (
	"context"
	"encoding/json"
)

// kvLedger is the ledger in the bucket MUSTER_LEDGER: the row is made by create, and changed by
// compare and set.
type kvLedger struct {
	wire   *wire
	stream string
	group  string
	member string
}

func (l *kvLedger) kind() string       { return ledgerKV }
func (l *kvLedger) looksUpFirst() bool { return true }

func (l *kvLedger) lookUp(ctx context.Context, m *message) (lookUp, error) {
	entry, err := l.wire.kvGet(ctx, ledgerBucket, l.key(m.eventID))
	if err != nil {
		return lookUp{}, err
	}
	if !entry.exists {
		return lookUp{decision: rowRun, revision: entry.revision}, nil
	}
	row, err := readRow(entry.value, m.eventID)
	if err != nil {
		return lookUp{}, err
	}
	return lookUp{decision: decideRow(row, m.identity()), row: row, revision: entry.revision}, nil
}

func (l *kvLedger) lookUpAgain(ctx context.Context, m *message, after lookUp) (lookUp, error) {
	found, err := l.lookUp(ctx, m)
	if err != nil {
		return found, err
	}
	return newer(found, after, m)
}

func (l *kvLedger) write(ctx context.Context, w rowWrite, _ *transaction) (bool, error) {
	_, ok, err := l.put(ctx, rowOf(w, l.member), w.lookUp.revision)
	return ok, err
}

func (l *kvLedger) writeAll(ctx context.Context, writes []rowWrite, _ *transaction) ([]bool, error) {
	return writeEach(ctx, l, writes)
}

func (l *kvLedger) join(ctx context.Context, m *message, seen lookUp) (lookUp, error) {
	return joinRow(ctx, l, m, seen, func(row ledgerRow, over uint64) (uint64, bool, error) {
		return l.put(ctx, row, over)
	})
}

// transaction: a bucket has none; an effect outside of the row cannot be committed with it.
func (l *kvLedger) transaction() *transaction { return nil }

func (l *kvLedger) probe(ctx context.Context) error {
	_, err := l.wire.kvGet(ctx, ledgerBucket, l.key("muster.reachable"))
	return err
}

func (l *kvLedger) close() {}

func (l *kvLedger) put(ctx context.Context, row ledgerRow, over uint64) (uint64, bool, error) {
	revision, err := l.wire.kvPut(ctx, ledgerBucket, l.key(row.EventID), mustJSON(row), over)
	if HasCode(err, CodeConflict) {
		return 0, false, nil
	}
	return revision, err == nil, err
}

func (l *kvLedger) key(eventID string) string { return LedgerKey(l.stream, l.group, eventID) }

// readRow: a row we cannot read must not be overwritten; better to stop than to do an order twice.
func readRow(data []byte, eventID string) (*ledgerRow, error) {
	row := &ledgerRow{}
	err := json.Unmarshal(data, row)
	if err != nil || row.V != 1 || (row.Status != statusDone && row.Status != statusDead) {
		return nil, unreachable(err, "ledger row of %s cannot be read", eventID)
	}
	return row, nil
}

// writeEach writes rows one by one, side by side.
func writeEach(ctx context.Context, l ledger, writes []rowWrite) ([]bool, error) {
	written, errs := make([]bool, len(writes)), make([]error, len(writes))
	each(len(writes), func(i int) { written[i], errs[i] = l.write(ctx, writes[i], nil) })
	for _, err := range errs {
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
