package muster

import "fmt"

// whyNotLive is why the process should not be kept: every slot is held by a handler past its
// deadline. "" where it should.
func whyNotLive(concurrency, late int) string {
	if concurrency > 0 && late >= concurrency {
		return fmt.Sprintf("all %d slots are past their deadline", concurrency)
	}
	return ""
}

// readiness is what decides whether the member takes messages.
type readiness struct {
	hasJoined, isConnected, isDegraded bool
	state                              string
}

// whyNotReady are all reasons why it does not; none where it does.
func whyNotReady(r readiness) []string {
	why := []string{}
	if !r.isConnected {
		why = append(why, "not connected to NATS")
	}
	if !r.hasJoined {
		why = append(why, "not joined yet")
	}
	if r.state == stateStarting {
		why = append(why, "the group has no spec that can be used")
	}
	if r.state == stateDraining {
		why = append(why, "draining")
	}
	if r.isDegraded {
		why = append(why, "degraded: a dependency does not answer, or too many attempts fail")
	}
	return why
}
