package muster

import (
	"context"
	"encoding/json"
	"time"
)

// lookUp is the row found for a message and what follows from it.
type lookUp struct {
	decision rowDecision
	row      *ledgerRow
	// revision is what a write has to compare with; 0: there must be no row.
	revision uint64
}

// unseen is what a ledger knows before it was asked: nothing stands in the way.
var unseen = lookUp{decision: rowRun}

// rowWrite is a row to write: for which message, compared with what, and what it says.
type rowWrite struct {
	message *message
	lookUp  lookUp
	// status is done, with a result, or dead, with a reason and the dead letter's headers.
	status  string
	result  json.RawMessage
	reason  string
	headers map[string]string
}

// ledger has one row per group and event id, done or dead: it makes an effect happen once. Its
// errors are of [CodeUnreachable] when it does not answer, is full, read-only or locked for too long.
type ledger interface {
	kind() string
	// looksUpFirst: a first delivery has to be looked up too; otherwise the write finds what is there.
	looksUpFirst() bool
	lookUp(ctx context.Context, m *message) (lookUp, error)
	// lookUpAgain is for after a write that found another row. What is not newer than what was
	// compared with is unreachable: a replica that is behind.
	lookUpAgain(ctx context.Context, m *message, after lookUp) (lookUp, error)
	// write writes the row where nothing has changed since the look-up, and commits tx, if there is
	// one, with it. False when something has changed: then tx is rolled back.
	write(ctx context.Context, w rowWrite, tx *transaction) (bool, error)
	// writeAll writes many rows. Where the ledger has transactions it is one: all rows are written,
	// or none and the answers say which stood in the way. Elsewhere each row is written by itself.
	writeAll(ctx context.Context, writes []rowWrite, tx *transaction) ([]bool, error)
	// join adds the sequence of a repeat or a stale message to the row, so that the account finds it.
	// Where the row has changed it is decided anew; the last decision is given.
	join(ctx context.Context, m *message, l lookUp) (lookUp, error)
	// transaction is a new one that opens with its first statement; nil where there are none.
	transaction() *transaction
	// probe gives an error while the ledger does not answer.
	probe(ctx context.Context) error
	close()
}

const joinTries = 5

// rowOf is the row that a write asks for.
func rowOf(w rowWrite, member string) ledgerRow {
	identity := w.message.identity()
	row := ledgerRow{
		V:          1,
		Status:     w.status,
		EventID:    w.message.eventID,
		BodySHA256: identity.bodySHA256,
		Sequence:   identity.sequence,
		StoreTime:  identity.storeTime,
		Result:     w.result,
		Reason:     w.reason,
		Headers:    w.headers,
		Member:     member,
		Language:   Language,
		At:         timestamp(time.Now()),
	}
	row.over(w.lookUp.row)
	return row
}

// joinRow is the join of every ledger; put writes the joined row over a revision and gives the new
// one, or false where it has changed.
func joinRow(
	ctx context.Context, l ledger, m *message, seen lookUp,
	put func(row ledgerRow, over uint64) (revision uint64, ok bool, err error),
) (lookUp, error) {
	for range joinTries {
		joins := seen.decision == rowRepeat || seen.decision == rowStale
		if !joins || seen.row.knows(m.identity()) {
			return seen, nil
		}
		row := *seen.row
		row.join(m.ack.seq)
		revision, ok, err := put(row, seen.revision)
		if err != nil {
			return seen, err
		}
		if ok {
			return lookUp{decision: seen.decision, row: &row, revision: revision}, nil
		}
		if seen, err = l.lookUpAgain(ctx, m, seen); err != nil {
			return seen, err
		}
	}
	return seen, unreachable(nil, "ledger row of %s keeps changing", m.eventID)
}

// newer is what an answer after a failed compare must be.
func newer(found, after lookUp, m *message) (lookUp, error) {
	if found.revision <= after.revision {
		return found, unreachable(nil, "ledger row of %s: the answer is older than the write that failed", m.eventID)
	}
	return found, nil
}
