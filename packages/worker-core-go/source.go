package muster

import (
	"context"

	"github.com/nats-io/nats.go"
)

// source is where a group's messages come from: pull requests, a deliver subject, or core subjects.
type source interface {
	// wake looks whether messages may be taken, and how many: something may have changed.
	wake()
	// freed is wake for one place in hand that has become free.
	freed()
	// drain stops taking messages, and returns when nothing more can arrive.
	drain(ctx context.Context)
}

// sourceParts is what a source asks the worker.
type sourceParts struct {
	conn *connection
	// most is how many messages may be held, and concurrency how many handlers run at once.
	most, concurrency func() int
	// held are the messages in hand, started or not.
	held func() int
	// mayPull is false while paused, degraded, draining or without a spec.
	mayPull func() bool
	// isFresh is false while what comes would not look fresh: see hold.
	isFresh func() bool
	// onSend is called before something is sent: what else waits to be sent leaves with it.
	onSend    func()
	onMessage func(*nats.Msg)
}

// intake takes messages in hand and starts their handlers, within the group's concurrency.
type intake interface {
	// take takes a message that came.
	take(m *message)
	// pump starts what there is room for; called again when the concurrency was raised.
	pump()
	// stop has nothing more started; what waits is given back by drain.
	stop()
	// drain gives back what was not started, and returns when nothing runs any more.
	drain()
	// len is the messages in hand, started or not.
	len() int
	// suspectCount is the messages that wait until no other suspect runs.
	suspectCount() int
}
