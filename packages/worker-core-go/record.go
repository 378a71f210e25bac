package muster

import "os"

// record is what the member tells of itself with every heartbeat.
func (w *Worker) record() memberRecord {
	host, _ := os.Hostname()
	now := w.snapshot()
	r := memberRecord{
		V:             1,
		ID:            w.config.Member,
		Instance:      w.instance,
		Language:      Language,
		CoreVersion:   CoreVersion,
		AppVersion:    w.config.Version,
		Host:          host,
		PID:           os.Getpid(),
		StartedAt:     timestamp(w.startedAt),
		State:         w.state(),
		Degraded:      now.isDegraded,
		Delivery:      modePull,
		Concurrency:   now.concurrency,
		InFlight:      now.inFlight,
		Held:          now.held,
		SpecRevision:  now.specRevision,
		Contracts:     w.base.contracts.names(),
		RestartNeeded: w.base.spec.restartNeeded(),
	}
	w.stats.fill(&r)
	if spec := w.base.spec.last.Load(); spec != nil {
		r.Delivery = spec.Delivery.Mode
	}
	if mode := w.mode.Load(); mode != nil {
		r.Delivery = mode.name
		// A message of a core queue group has no sequence to be found by.
		if d := mode.handlers.oldest(); d != nil && d.Sequence > 0 {
			r.Oldest = &memberOldest{Sequence: d.Sequence, Since: timestamp(d.startedAt)}
		}
	}
	return r
}
