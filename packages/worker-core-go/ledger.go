package muster

import (
	"context"
	"encoding/json"
)

const joinTries = 5

// found is what the ledger says of a message, and the revision to write over.
type found struct {
	row      *ledgerRow
	revision uint64
	decision rowDecision
}

// ledger is the rows of one group: looked up before the work, written by compare and set after it.
type ledger struct {
	wire   *wire
	stream string
	group  string
}

func (l *ledger) lookUp(ctx context.Context, m *message) (found, error) {
	entry, err := l.wire.kvGet(ctx, ledgerBucket, l.key(m.eventID))
	if err != nil {
		return found{}, err
	}
	if !entry.exists {
		return found{revision: entry.revision, decision: rowRun}, nil
	}
	row := &ledgerRow{}
	if err := json.Unmarshal(entry.value, row); err != nil || (row.Status != statusDone && row.Status != statusDead) {
		// A row that cannot be read is not "unseen": the work may be done.
		return found{}, unreachable(err, "the ledger row of %s cannot be read", m.eventID)
	}
	return found{row: row, revision: entry.revision, decision: decideRow(row, m.identity())}, nil
}

// write puts the row over what was found. Decision "": it is there. Else it says what is there
// instead.
func (l *ledger) write(ctx context.Context, m *message, row ledgerRow, over found) (found, error) {
	row.over(over.row)
	_, err := l.wire.kvPut(ctx, ledgerBucket, l.key(m.eventID), mustJSON(row), over.revision)
	if !HasCode(err, CodeConflict) {
		return found{}, err
	}
	return l.lookUpAgain(ctx, m, over.revision)
}

// lookUpAgain is for after a failed compare: a replica that is behind shows what was there before.
func (l *ledger) lookUpAgain(ctx context.Context, m *message, before uint64) (found, error) {
	now, err := l.lookUp(ctx, m)
	if err != nil {
		return found{}, err
	}
	if now.revision <= before {
		return found{}, unreachable(nil, "the ledger row of %s changed and is not shown yet", m.eventID)
	}
	return now, nil
}

// join adds the sequence of a repeat or a stale message to the row, so that the account finds it.
// Where the row has changed it is decided anew; the last decision is given.
func (l *ledger) join(ctx context.Context, m *message, f found) (found, error) {
	for range joinTries {
		joins := f.decision == rowRepeat || f.decision == rowStale
		if !joins || f.row.knows(m.identity()) {
			return f, nil
		}
		row := *f.row
		row.join(m.ack.seq)
		_, err := l.wire.kvPut(ctx, ledgerBucket, l.key(m.eventID), mustJSON(row), f.revision)
		if !HasCode(err, CodeConflict) {
			return f, err
		}
		if f, err = l.lookUpAgain(ctx, m, f.revision); err != nil {
			return f, err
		}
	}
	return f, unreachable(nil, "the ledger row of %s keeps changing", m.eventID)
}

// probe gives an error while the ledger does not answer.
func (l *ledger) probe(ctx context.Context) error {
	_, err := l.wire.kvGet(ctx, ledgerBucket, l.key("probe"))
	return err
}

func (l *ledger) key(eventID string) string { return LedgerKey(l.stream, l.group, eventID) }
