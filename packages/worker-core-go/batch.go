package muster

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"
)

// BatchMessage is one message of a batch.
type BatchMessage[T any] struct {
	*Delivery

	// Value is the message in the handler's type.
	Value T
}

// Batch is what a batch handler is told besides its messages.
type Batch struct {
	Log *slog.Logger
	// Conn is the member's connection, for requests of the handler's own.
	Conn *nats.Conn
	// Tx is the batch's transaction, with ledger postgres: the rows of all that returned go in last.
	// Write effects only for messages whose outcome is a result.
	Tx Tx
}

// Outcome is what became of one message of a batch: a result, or an error by a handler's rules.
type Outcome struct {
	Result any
	Err    error
}

// BatchHandler works on several messages at once. It gives one outcome for each message, in their
// order; no outcomes at all mean that all are done. Its error is the outcome of all.
//
// ctx ends at the group's timeout, which is the batch's.
type BatchHandler[T any] func(ctx context.Context, messages []BatchMessage[T], b *Batch) ([]Outcome, error)

// batchFunc is a batch handler of any type of value.
type batchFunc func(ctx context.Context, deliveries []*Delivery, b *Batch) ([]Outcome, error)

// typedBatch turns the verdicts' values into a handler's type. A message that does not fit has
// failed by itself.
func typedBatch[T any](handler BatchHandler[T]) batchFunc {
	return func(ctx context.Context, deliveries []*Delivery, b *Batch) ([]Outcome, error) {
		outcomes := make([]Outcome, len(deliveries))
		messages := make([]BatchMessage[T], 0, len(deliveries))
		at := make([]int, 0, len(deliveries))
		for i, d := range deliveries {
			value, err := valueAs[T](d.Value)
			if err != nil {
				outcomes[i].Err = err
				continue
			}
			messages, at = append(messages, BatchMessage[T]{Delivery: d, Value: value}), append(at, i)
		}
		if len(messages) == 0 {
			return outcomes, nil
		}
		returned, err := handler(ctx, messages, b)
		for i, outcome := range outcomesOf(returned, err, len(messages)) {
			outcomes[at[i]] = outcome
		}
		return outcomes, nil
	}
}

// oneByOne is for where messages are not batched: a batch handler gets batches of one.
func (f batchFunc) oneByOne() handlerFunc {
	return func(ctx context.Context, d *Delivery) (any, error) {
		outcomes, err := f(ctx, []*Delivery{d}, &Batch{Log: d.Log, Conn: d.Conn, Tx: d.Tx})
		outcome := outcomesOf(outcomes, err, 1)[0]
		return outcome.Result, outcome.Err
	}
}

// outcomesOf a batch by message; a wrong number of them is the outcome of all.
func outcomesOf(returned []Outcome, err error, count int) []Outcome {
	if err == nil && len(returned) == count {
		return returned
	}
	if err == nil && returned != nil {
		err = fmt.Errorf("batch handler returned %d outcomes for %d messages", len(returned), count)
	}
	outcomes := make([]Outcome, count)
	for i := range outcomes {
		outcomes[i].Err = err
	}
	return outcomes
}

// batchShape is how many messages a batch has at most and how many batches run at once, so that
// concurrency bounds both.
func batchShape(size, concurrency int) (effective, loops int) {
	effective = min(size, concurrency)
	return effective, max(1, concurrency/effective)
}
