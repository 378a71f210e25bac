package muster

import (
	"context"
	"time"
)

type Tx interface {
	Exec(ctx context.Context, sql string, args ...any) (any, error)
}
type noTransaction struct{}

func (noTransaction) Exec(ctx context.Context, sql string, args ...any) (any, error) { return nil, nil }

type transaction struct{ noTransaction }

func (t *transaction) isOpen() bool             { return false }
func (t *transaction) rollback(context.Context) {}
func openPostgres(ctx context.Context, c Config, ackWait func() time.Duration) (ledger, error) {
	return nil, unreachable(nil, "not yet")
}
