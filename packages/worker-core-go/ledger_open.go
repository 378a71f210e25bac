package muster

import (
	"context"
	"time"
)

// openLedger gives the ledger that the group's spec names. The error is of [CodeUnreachable] or
// [CodeLedgerSchema] where it cannot be used yet.
func openLedger(ctx context.Context, spec *Spec, base *base, m *metrics) (ledger, error) { //nolint:ireturn // One of three.
	c := base.config
	switch spec.Ledger {
	case ledgerNone:
		return noLedger{records: base.records}, nil
	case ledgerPostgres:
		ackWait := func() time.Duration { return base.hold.getAckWait() }
		l, err := openPostgres(ctx, c, ackWait)
		if err != nil {
			return nil, err
		}
		return &timedLedger{ledger: l, metrics: m}, nil
	default:
		l := &kvLedger{wire: base.wire, stream: c.Stream, group: c.Group, member: c.Member}
		return &timedLedger{ledger: l, metrics: m}, nil
	}
}

// timedLedger is the same ledger, with its answers timed.
type timedLedger struct {
	ledger

	metrics *metrics
}

func (l *timedLedger) lookUp(ctx context.Context, m *message) (lookUp, error) {
	defer l.metrics.ledger("look_up", time.Now())
	return l.ledger.lookUp(ctx, m)
}

func (l *timedLedger) lookUpAgain(ctx context.Context, m *message, after lookUp) (lookUp, error) {
	defer l.metrics.ledger("look_up", time.Now())
	return l.ledger.lookUpAgain(ctx, m, after)
}

func (l *timedLedger) write(ctx context.Context, w rowWrite, tx *transaction) (bool, error) {
	defer l.metrics.ledger("write", time.Now())
	return l.ledger.write(ctx, w, tx)
}

func (l *timedLedger) writeAll(ctx context.Context, writes []rowWrite, tx *transaction) ([]bool, error) {
	defer l.metrics.ledger("write", time.Now())
	return l.ledger.writeAll(ctx, writes, tx)
}
