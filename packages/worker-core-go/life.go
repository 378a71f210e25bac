package muster

// How a member stands: its state, whether it is live and ready, and what its gauges show.

func (w *Worker) state() string {
	select {
	case <-w.draining:
		return stateDraining
	default:
	}
	base := w.joinable.Load()
	if base == nil || w.mode.Load() == nil {
		return stateStarting
	}
	spec := base.spec.current.Load()
	switch {
	case spec == nil:
		return stateStarting
	case spec.Paused:
		return statePaused
	default:
		return stateRunning
	}
}

func (w *Worker) whyNotLive() string {
	if m := w.mode.Load(); m != nil {
		return whyNotLive(w.concurrency(), int(m.handlers.late.Load()))
	}
	return ""
}

func (w *Worker) whyNotReady() []string {
	base := w.joinable.Load()
	return whyNotReady(readiness{
		hasJoined:   w.hasJoined.Load(),
		isConnected: base != nil && base.conn.isUp(),
		isDegraded:  w.outage.isOn() || w.breaker.isOpen(),
		state:       w.state(),
	})
}

// snapshot is what the gauges show.
func (w *Worker) snapshot() snapshot {
	state := w.state()
	s := snapshot{
		isBreakerOpen: w.breaker.isOpen(),
		isPaused:      state == statePaused,
		isReady:       len(w.whyNotReady()) == 0,
	}
	s.isDegraded = w.outage.isOn() || s.isBreakerOpen
	base := w.joinable.Load()
	if base == nil {
		return s
	}
	if spec := base.spec.last.Load(); spec != nil {
		s.concurrency = spec.Concurrency
	}
	if spec := base.spec.current.Load(); spec != nil {
		s.specRevision = spec.Revision
	}
	if mode := w.mode.Load(); mode != nil {
		s.inFlight, s.held, s.suspects = mode.handlers.inFlight(), mode.intake.len(), mode.intake.suspectCount()
	}
	return s
}

func (w *Worker) concurrency() int {
	if base := w.joinable.Load(); base != nil {
		if spec := base.spec.last.Load(); spec != nil {
			return spec.Concurrency
		}
	}
	return 0
}
