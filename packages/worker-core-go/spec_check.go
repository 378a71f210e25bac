package muster

import "log/slog"

// whyUnsupported is why this member cannot work by the spec, with what to do; "" when it can.
func whyUnsupported(spec *Spec, c Config) string {
	switch {
	case c.Stream == coreStream && spec.Delivery.Mode != modeQueue:
		return "MUSTER_STREAM core is for delivery mode queue, the spec says " + spec.Delivery.Mode
	case spec.Delivery.Mode == modePush && c.APIPrefix != defaultPrefix:
		return "a push group receives nothing across accounts (MUSTER_API_PREFIX is set); use pull or batch"
	case spec.Ledger == ledgerPostgres && c.DatabaseURL == "":
		return "ledger postgres needs DATABASE_URL"
	}
	return ""
}

// sayWhatIsNotPromised tells, once at start, what the delivery mode or the ledger cannot promise.
func sayWhatIsNotPromised(spec *Spec, log *slog.Logger) {
	say := func(code, limit string) { log.Warn("not promised", "code", code, "limit", limit) }
	switch spec.Delivery.Mode {
	case modePush:
		say("unbounded_hold", "push: the server pushes without asking, only max_ack_pending bounds what a member holds; one stuck member can hold it all")
	case modeQueue:
		say("at_most_once", "queue: at most once; what a killed process has in hand is lost, there are no retries, and while paused messages pass unseen")
	}
	if spec.Ledger == ledgerNone && spec.Delivery.Mode != modeQueue {
		say("no_ledger", "ledger none: at least once; the handler has to be idempotent by the event id")
	}
}
