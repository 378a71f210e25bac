package muster

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// rowConnections look up and write rows, txConnections are for handlers' transactions, which are
	// open as long as the handler runs.
	rowConnections = 3
	txConnections  = 10
)

// postgresLedger is the ledger in the table muster_ledger. A row and what its handler did in its
// transaction are committed together, or neither is there: the effect happens once.
type postgresLedger struct {
	stream, group, member string

	rows         *connections
	transactions *connections
	inserts      *inserts
}

// openPostgres checks that the tables are there, and makes them where it may. The error is of
// [CodeUnreachable], or of [CodeLedgerSchema] when they are missing or are not those we know.
func openPostgres(ctx context.Context, c Config, ackWait func() time.Duration) (*postgresLedger, error) {
	rows, err := newConnections(c, rowConnections, ackWait)
	if err != nil {
		return nil, err
	}
	transactions, err := newConnections(c, txConnections, ackWait)
	if err != nil {
		rows.close()
		return nil, err
	}
	l := &postgresLedger{stream: c.Stream, group: c.Group, member: c.Member, rows: rows, transactions: transactions}
	l.inserts = newInserts(func(rows []rowToWrite) (made map[string]bool, err error) {
		err = l.use(context.Background(), "writing ledger rows", func(ctx context.Context, conn *pgx.Conn) (err error) {
			made, err = l.insertNew(ctx, conn, rows)
			return err
		})
		return made, err
	})
	if err := rows.use(ctx, applyMigrations); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *postgresLedger) kind() string       { return ledgerPostgres }
func (l *postgresLedger) looksUpFirst() bool { return false }

func (l *postgresLedger) lookUp(ctx context.Context, m *message) (lookUp, error) {
	found := unseen
	err := l.use(ctx, "looking up a ledger row", func(ctx context.Context, conn *pgx.Conn) error {
		row, revision, err := l.selectRow(ctx, conn, m.eventID)
		if err != nil || row == nil {
			return err
		}
		found = lookUp{decision: decideRow(row, m.identity()), row: row, revision: revision}
		return nil
	})
	return found, err
}

func (l *postgresLedger) lookUpAgain(ctx context.Context, m *message, after lookUp) (lookUp, error) {
	found, err := l.lookUp(ctx, m)
	if err != nil {
		return found, err
	}
	return newer(found, after, m)
}

func (l *postgresLedger) write(ctx context.Context, w rowWrite, tx *transaction) (bool, error) {
	row := rowToWrite{row: rowOf(w, l.member), hash: sha256Hex([]byte(w.message.eventID)), revision: w.lookUp.revision}
	if tx.isOpen() {
		return tx.end(ctx, func(ctx context.Context, conn *pgx.Conn) (bool, error) { return l.commitRow(ctx, conn, row) })
	}
	// What a handler would begin only now could not be undone with the row.
	tx.rollback(ctx)
	if row.revision == 0 {
		return l.inserts.add(row)
	}
	isThere := false
	err := l.use(ctx, "writing a ledger row", func(ctx context.Context, conn *pgx.Conn) (err error) {
		isThere, err = l.update(ctx, conn, row)
		return err
	})
	return isThere, err
}

func (l *postgresLedger) writeAll(ctx context.Context, writes []rowWrite, tx *transaction) ([]bool, error) {
	rows := make([]rowToWrite, len(writes))
	for i, w := range writes {
		rows[i] = rowToWrite{row: rowOf(w, l.member), hash: sha256Hex([]byte(w.message.eventID)), revision: w.lookUp.revision}
	}
	if !tx.isOpen() {
		tx.rollback(ctx)
		tx = l.transaction()
		if err := tx.open(ctx); err != nil {
			return nil, err
		}
	}
	var written []bool
	_, err := tx.end(ctx, func(ctx context.Context, conn *pgx.Conn) (isCommitted bool, err error) {
		written, isCommitted, err = l.commitRows(ctx, conn, rows)
		return isCommitted, err
	})
	return written, err
}

func (l *postgresLedger) join(ctx context.Context, m *message, seen lookUp) (lookUp, error) {
	return joinRow(ctx, l, m, seen, func(row ledgerRow, over uint64) (revision uint64, ok bool, err error) {
		err = l.use(ctx, "joining a ledger row", func(ctx context.Context, conn *pgx.Conn) error {
			ok, err = l.updateSequences(ctx, conn, row, over)
			return err
		})
		return over + 1, ok, err
	})
}

func (l *postgresLedger) transaction() *transaction { return &transaction{connections: l.transactions} }

// probe makes a row and undoes it: a database that is full or read only would still answer.
func (l *postgresLedger) probe(ctx context.Context) error {
	return l.use(ctx, "the ledger", l.tryInsert)
}

// close ends all connections: what is not committed is undone.
func (l *postgresLedger) close() {
	l.inserts.close()
	l.rows.close()
	l.transactions.close()
}

// use: whatever keeps the ledger from its own work is an outage of it, also a table that is missing.
func (l *postgresLedger) use(ctx context.Context, what string, work func(ctx context.Context, conn *pgx.Conn) error) error {
	if err := l.rows.use(ctx, work); err != nil {
		return databaseUnreachable(what, err)
	}
	return nil
}
