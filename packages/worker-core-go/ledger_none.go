package muster

import "context"

// noLedger is none: at least once. A repeat cannot be told from a first delivery, so the handler is
// idempotent by itself. The fastest.
type noLedger struct{ records *records }

func (noLedger) kind() string       { return ledgerNone }
func (noLedger) looksUpFirst() bool { return false }

func (noLedger) lookUp(context.Context, *message) (lookUp, error) { return unseen, nil }

func (noLedger) lookUpAgain(context.Context, *message, lookUp) (lookUp, error) { return unseen, nil }

func (noLedger) write(context.Context, rowWrite, *transaction) (bool, error) { return true, nil }

func (noLedger) writeAll(_ context.Context, writes []rowWrite, _ *transaction) ([]bool, error) {
	written := make([]bool, len(writes))
	for i := range written {
		written[i] = true
	}
	return written, nil
}

func (noLedger) join(_ context.Context, _ *message, l lookUp) (lookUp, error) { return l, nil }
func (noLedger) transaction() *transaction                                    { return nil }

// probe asks the attempts bucket: what else was unreachable is asked for with it.
func (l noLedger) probe(ctx context.Context) error { return l.records.probe(ctx) }
func (noLedger) close()                            {}
