// Package muster is the Go core of a Muster worker: a process that joins a consumer group by name
// and works on its messages as docs/protocol.md says, like its twins in TypeScript and Python.
//
// A worker is one call of [Run] with a handler:
//
//	muster.Run(func(ctx context.Context, order Order, d *muster.Delivery) (any, error) {
//		return map[string]any{"order_id": order.ID}, nil
//	})
//
// What the handler returns decides what becomes of the message: a result (done), [Permanent]
// (a dead letter at once), [Retryable] or any other error (again, until the attempts are used up),
// [Snooze] (again, not counted).
package muster

// Language is how members of this core call themselves.
const Language = "go"

// CoreVersion is the version of this core.
const CoreVersion = "0.1.0"
