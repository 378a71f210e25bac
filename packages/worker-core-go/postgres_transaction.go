package muster

import (
	"context"
	"errors"
	"regexp"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Tx runs statements in the transaction that ends with the ledger row: either both are there or
// none. It begins with its first statement, and is rolled back where the handler gives an error. The
// worker begins and ends it; savepoints are the handler's own. Like a pgx.Tx it is for one goroutine
// at a time, and rows must be closed before the next statement. Code that sqlc makes takes it as its
// DBTX.
//
// Its errors are those of pgx; an outage is an error of [CodeUnreachable], which a handler lets
// through: no attempt is counted for it.
type Tx interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// controlRe finds what only the worker may do.
var controlRe = regexp.MustCompile(`(?i)^\s*(begin|start\s+transaction|commit|end|abort|prepare\s+transaction|rollback)\b`)

var savepointRe = regexp.MustCompile(`(?i)^\s*rollback\s+(work\s+|transaction\s+)?to\b`)

// transaction is on a connection of its own, taken with the first statement and given back at the
// end. A nil one is none.
type transaction struct {
	connections *connections

	mu      sync.Mutex
	conn    *pgxpool.Conn
	lastErr error
	isEnded bool
}

// Exec runs a statement. See [Tx].
func (t *transaction) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	conn, err := t.readyLocked(ctx, sql)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := conn.Exec(ctx, sql, args...)
	return tag, t.saidLocked(err)
}

// Query runs a statement that gives rows. See [Tx].
func (t *transaction) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) { //nolint:ireturn // As pgx has it.
	t.mu.Lock()
	defer t.mu.Unlock()
	conn, err := t.readyLocked(ctx, sql)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, t.saidLocked(err)
	}
	return &txRows{Rows: rows, tx: t}, nil
}

// QueryRow runs a statement that gives one row. See [Tx].
func (t *transaction) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row { //nolint:ireturn // As pgx has it.
	rows, err := t.Query(ctx, sql, args...)
	return &txRow{rows: rows, err: err}
}

// isOpen: a statement has opened it, and it has not ended.
func (t *transaction) isOpen() bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn != nil && !t.isEnded
}

func (t *transaction) open(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.readyLocked(ctx, "")
	return err
}

// end lets work commit what was done, or, where that is false, undoes it; it ends the transaction in
// any case. An error that is not unreachable is what the handler has to answer for: a statement that
// failed and it did not mind, a constraint that is checked at the commit, a transaction that it left
// idle for too long.
func (t *transaction) end(ctx context.Context, work func(ctx context.Context, conn *pgx.Conn) (bool, error)) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isEnded {
		return false, transactionEnded()
	}
	t.isEnded = true
	defer t.undoLocked(ctx)
	conn := t.conn.Conn()
	switch pg := conn.PgConn(); {
	case pg.IsClosed():
		return false, databaseUnreachable("the connection of a transaction is lost", t.lastErr)
	case pg.IsBusy():
		return false, &Error{Code: CodeTransactionFailed, Message: "rows of the transaction were not closed, and the handler returned all the same"}
	case pg.TxStatus() == 'I':
		return false, &Error{Code: CodeTransactionControl, Message: "the handler ended the worker's transaction itself"}
	case pg.TxStatus() == 'E':
		return false, t.failed()
	}
	ctx, cancel := context.WithTimeout(ctx, t.connections.ackWait())
	defer cancel()
	isWritten, err := work(ctx, conn)
	return isWritten, handlersOwn(err)
}

// rollback undoes what was done in it; nothing where it never opened.
func (t *transaction) rollback(ctx context.Context) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.isEnded {
		t.isEnded = true
		t.undoLocked(ctx)
	}
}

// undoLocked gives the connection back without an open transaction.
func (t *transaction) undoLocked(ctx context.Context) {
	if t.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, t.connections.ackWait())
	defer cancel()
	if pg := t.conn.Conn().PgConn(); !pg.IsClosed() && !pg.IsBusy() && pg.TxStatus() != 'I' {
		_, _ = pg.Exec(ctx, "rollback").ReadAll()
	}
	// The pool ends a connection that is still in a transaction.
	t.conn.Release()
}

func (t *transaction) readyLocked(ctx context.Context, sql string) (*pgx.Conn, error) {
	if controlRe.MatchString(sql) && !savepointRe.MatchString(sql) {
		return nil, &Error{Code: CodeTransactionControl, Message: "the worker begins and ends the transaction; use a savepoint to undo a part of it"}
	}
	if t.isEnded {
		return nil, transactionEnded()
	}
	if t.conn == nil {
		conn, err := t.connections.take(ctx)
		if err != nil {
			return nil, t.saidLocked(err)
		}
		if _, err := conn.Conn().PgConn().Exec(ctx, "begin").ReadAll(); err != nil {
			conn.Release()
			return nil, t.saidLocked(databaseUnreachable("beginning a transaction", err))
		}
		t.conn = conn
	}
	return t.conn.Conn(), nil
}

// said tells an outage from what the database says of a statement, and keeps it: that the
// transaction has failed already is not why.
func (t *transaction) said(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.saidLocked(err)
}

func (t *transaction) saidLocked(err error) error {
	if err == nil || errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if HasCode(t.lastErr, CodeTransactionIdle) {
		// What comes after it says only that the connection is closed.
		return t.lastErr
	}
	isLost := t.conn != nil && t.conn.Conn().IsClosed()
	if err = handlersOwn(err); HasCode(err, CodeTransactionIdle) {
		t.lastErr = err
		return err
	}
	if isOutage(err) || isLost && sqlState(err) == "" {
		err = databaseUnreachable("the database", err)
	}
	if sqlState(err) != stateFailedTransaction {
		t.lastErr = err
	}
	return err
}

// failed is why a transaction is broken that its handler wanted to keep.
func (t *transaction) failed() error {
	if HasCode(t.lastErr, CodeUnreachable) {
		return t.lastErr
	}
	return &Error{
		Code: CodeTransactionFailed, Err: t.lastErr,
		Message: "a statement of the transaction failed, and the handler returned all the same",
	}
}

func transactionEnded() error {
	return &Error{Code: CodeTransactionEnded, Message: "the transaction was used after its handler had ended"}
}

// txRows has its errors told apart.
type txRows struct {
	pgx.Rows

	tx *transaction
}

func (r *txRows) Err() error { return r.tx.said(r.Rows.Err()) }

// txRow is the first of some rows.
type txRow struct {
	rows pgx.Rows
	err  error
}

func (r *txRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		r.rows.Close()
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

// noTransaction is for groups whose ledger has none.
type noTransaction struct{}

func (noTransaction) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, errNoTransaction()
}

func (noTransaction) Query(context.Context, string, ...any) (pgx.Rows, error) { //nolint:ireturn // As pgx has it.
	return nil, errNoTransaction()
}

func (noTransaction) QueryRow(context.Context, string, ...any) pgx.Row { //nolint:ireturn // As pgx has it.
	return &txRow{err: errNoTransaction()}
}

func errNoTransaction() error {
	return &Error{Code: CodeNoTransaction, Message: "a transaction needs a group with ledger postgres: this group's ledger has none"}
}

// handlersOwn: what the database ended for being idle is no outage. It would come again with every
// delivery, and never count.
func handlersOwn(err error) error {
	if sqlState(err) != stateIdleTransaction || HasCode(err, CodeTransactionIdle) {
		return err
	}
	return &Error{
		Code: CodeTransactionIdle, Err: err,
		Message: "the handler left its transaction idle for longer than ack_wait, and the database ended it",
	}
}
