package muster

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	databaseConnectTimeout = 5 * time.Second
	databaseIdle           = 30 * time.Second
	// databaseClose bounds the end of connections that a handler still has.
	databaseClose = time.Second
	// clientEncoding is of our text, whatever the database's, the URL's or the environment's: without
	// it a database of another encoding takes our bytes for its own, and SQL_ASCII checks none.
	clientEncoding = "UTF8"
	// ackWaitKey is where a connection says for which ack_wait it is set up.
	ackWaitKey = "muster_ack_wait"
)

// connections is a pool whose waits all end: for a free connection, for an answer, for a lock, for
// the close.
type connections struct {
	pool    *pgxpool.Pool
	ackWait func() time.Duration
}

// newConnections connects when it is first used. The error is of [CodeBadConfig]; the URL may hold a
// password, so it is not told.
func newConnections(c Config, most int32, ackWait func() time.Duration) (*connections, error) {
	config, err := pgxpool.ParseConfig(c.DatabaseURL)
	if err != nil {
		return nil, &Error{Code: CodeBadConfig, Message: "DATABASE_URL: is no database URL; write postgres://user@host:5432/database"}
	}
	config.MaxConns, config.MinConns = most, 0
	config.MaxConnIdleTime = databaseIdle
	config.ConnConfig.ConnectTimeout = databaseConnectTimeout
	config.ConnConfig.RuntimeParams["application_name"] = fmt.Sprintf("muster %s.%s %s", c.Stream, c.Group, c.Member)
	config.ConnConfig.RuntimeParams["client_encoding"] = clientEncoding
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, databaseUnreachable("connecting to the database", err)
	}
	return &connections{pool: pool, ackWait: ackWait}, nil
}

// take gives a connection of one's own until it is released.
func (c *connections) take(ctx context.Context) (*pgxpool.Conn, error) {
	ackWait := c.ackWait()
	ctx, cancel := context.WithTimeout(ctx, ackWait)
	defer cancel()
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return nil, databaseUnreachable("connecting to the database", err)
	}
	data := conn.Conn().PgConn().CustomData()
	if data[ackWaitKey] != ackWait {
		if _, err := conn.Conn().PgConn().Exec(ctx, sessionSettings(ackWait)).ReadAll(); err != nil {
			_ = conn.Conn().Close(ctx)
			conn.Release()
			return nil, databaseUnreachable("setting up a database session", err)
		}
		data[ackWaitKey] = ackWait
	}
	return conn, nil
}

// use runs what needs one connection, and gives it back. No answer is waited for longer than
// ack_wait.
func (c *connections) use(ctx context.Context, work func(ctx context.Context, conn *pgx.Conn) error) error {
	conn, err := c.take(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	ctx, cancel := context.WithTimeout(ctx, c.ackWait())
	defer cancel()
	return work(ctx, conn.Conn())
}

// close ends all connections.
func (c *connections) close() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.pool.Close()
	}()
	select {
	case <-closed:
	case <-time.After(databaseClose):
		// A handler still has one; it ends with the process.
	}
}

// sessionSettings: a member that was stopped frees its locks after ack_wait, when its messages go to
// others; a lock gives up before the statement does, so that the error tells which it was. 0 would
// mean for ever.
func sessionSettings(ackWait time.Duration) string {
	part := func(of time.Duration) int64 { return max(1, (ackWait / of).Milliseconds()) }
	return fmt.Sprintf("set idle_in_transaction_session_timeout = %d; set statement_timeout = %d; set lock_timeout = %d",
		part(1), part(2), part(4))
}
