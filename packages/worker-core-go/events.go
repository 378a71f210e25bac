package muster

import (
	"fmt"
	"log/slog"
)

// Events are functions that are called when something happens to the worker; nil ones are not. They
// are called where it happens, so they must return soon. One that panics is logged and stops
// nothing.
type Events struct {
	// Joined: it is a member now. Left: it has left, in whatever way.
	Joined, Left func()
	// Degraded: something it depends on does not answer, or the breaker has opened; it takes no
	// messages until Recovered.
	Degraded  func(err error)
	Recovered func()
	// Spec: the group's spec is there, or has changed.
	Spec            func(spec Spec)
	Paused, Resumed func()
	// Settled: a delivery has ended.
	Settled func(settled Settled)
	// Stalled: the pull had gone silent while messages waited, and was made again.
	Stalled func()
}

// Settled is how a delivery ended.
type Settled struct {
	// Outcome is done, retry, snoozed, returned, dead, repeat, stale or lost.
	Outcome  string
	Sequence uint64
	EventID  string
	// Attempt is 0 where the handler was not started.
	Attempt int
	// Reason of a dead letter.
	Reason string
}

// tell calls a listener that is there.
func tell(log *slog.Logger, listener func()) {
	if listener == nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			log.Error("listener failed", "code", "listener_failed", "error", fmt.Sprint(r))
		}
	}()
	listener()
}
