package muster

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// slotParts is what runs messages one by one.
type slotParts struct {
	steps      *steps
	settlement *settlement
	handlers   *handlers
	handler    handlerFunc
	// concurrency is how many handlers run at once.
	concurrency func() int
	// spawn runs a goroutine that the worker waits for; its context ends when handlers are aborted.
	spawn func(func(ctx context.Context))
	// onFree is called when a place in hand has become free.
	onFree func()
}

// slots are the messages in hand: those waiting, the suspects, and those that run, at most
// concurrency of them. A suspect may have killed its last process, so one runs at a time and its
// start is noted first: it then takes no neighbour's attempts with it.
//
// A goroutine takes one message after the other and ends when there is none: one starts only when
// none is on its way to take what waits. So a handler that returns at once costs no goroutine, and
// one that blocks has the next message started beside it.
type slots struct {
	slotParts

	mu       sync.Mutex
	waiting  fifo[*message]
	suspects fifo[*delivery]
	running  int
	// isComing: a goroutine was started and has not taken a message yet.
	isComing    bool
	suspectRuns bool
	idle        *sync.Cond

	// processors can work at the same time.
	processors int
	// quick counts messages that were over at once, one after the other; ended counts all.
	quick, ended int
	// stall looks whether something blocks after all.
	stall   *time.Timer
	isArmed bool
	endedAt int
}

const (
	// atOnce is how long a message may take that is over at once, and quickEnough how many of them there
	// must have been: then as many run side by side as there are processors, for waking another one
	// costs more than the message.
	atOnce      = 50 * time.Microsecond
	quickEnough = 64
	// stallAfter without an end something blocks, and the next are started beside it.
	stallAfter = 200 * time.Microsecond
)

func newSlots(parts slotParts) *slots {
	s := &slots{slotParts: parts, processors: runtime.GOMAXPROCS(0)}
	s.idle = sync.NewCond(&s.mu)
	s.stall = time.AfterFunc(time.Hour, s.onStall)
	s.stall.Stop()
	return s
}

func (s *slots) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting.len() + s.suspects.len() + s.running
}

func (s *slots) suspectCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.suspects.len()
}

func (s *slots) take(m *message) {
	s.steps.hold.add(m)
	s.steps.ends.onStep("received")
	s.mu.Lock()
	// Under the lock: a drain gives back what waits, and nothing may begin to wait after it.
	isDraining := s.steps.isDraining.Load()
	if !isDraining {
		s.waiting.push(m)
		s.startLocked()
	}
	s.mu.Unlock()
	if isDraining {
		s.steps.giveBack(m)
	}
}

func (s *slots) pump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startLocked()
}

func (s *slots) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps.isDraining.Store(true)
}

func (s *slots) drain() {
	s.stop()
	s.mu.Lock()
	waiting, suspects := s.waiting.takeAll(), s.suspects.takeAll()
	s.mu.Unlock()
	for _, m := range waiting {
		s.steps.giveBack(m)
	}
	for _, d := range suspects {
		s.steps.giveBack(d.message)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.running > 0 {
		s.idle.Wait()
	}
}

// startLocked has somebody come for what waits.
func (s *slots) startLocked() {
	if s.isComing || s.running >= s.concurrency() || !s.hasNextLocked() {
		return
	}
	if s.quick >= quickEnough && s.running >= s.processors {
		if !s.isArmed {
			s.isArmed, s.endedAt = true, s.ended
			s.stall.Reset(stallAfter)
		}
		return
	}
	s.isComing = true
	s.spawn(s.work)
}

func (s *slots) onStall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isArmed = false
	if s.ended == s.endedAt {
		s.quick = 0
	}
	s.startLocked()
}

func (s *slots) hasNextLocked() bool {
	return s.waiting.len() > 0 || !s.suspectRuns && s.suspects.len() > 0
}

// work takes one message after the other.
func (s *slots) work(ctx context.Context) { s.workOn(ctx, s.next) }

func (s *slots) workOn(ctx context.Context, first func() (*message, *delivery)) {
	m, suspect := first()
	defer func() {
		if m != nil {
			// The handler has ended this goroutine: another one takes over.
			s.steps.broken(m, errGone)
			s.spawn(func(ctx context.Context) {
				s.workOn(ctx, func() (*message, *delivery) { return s.leave(suspect != nil, false) })
			})
		}
	}()
	for began := time.Now(); m != nil; {
		s.carry(ctx, m, suspect)
		now := time.Now()
		isQuick := now.Sub(began) < atOnce
		began = now
		m, suspect = s.leave(suspect != nil, isQuick)
	}
}

// next is nil when there is nothing to start.
func (s *slots) next() (*message, *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isComing = false
	return s.nextLocked()
}

// leave frees the slot, and gives it to the next message.
func (s *slots) leave(wasSuspect, wasQuick bool) (*message, *delivery) {
	s.mu.Lock()
	s.running--
	s.ended++
	if s.quick++; !wasQuick {
		s.quick = 0
	}
	if wasSuspect {
		s.suspectRuns = false
	}
	next, suspect := s.nextLocked()
	if s.running == 0 {
		s.idle.Broadcast()
	}
	s.mu.Unlock()
	s.onFree()
	return next, suspect
}

func (s *slots) nextLocked() (*message, *delivery) {
	if s.running >= s.concurrency() {
		return nil, nil
	}
	var m *message
	var suspect *delivery
	if !s.suspectRuns {
		suspect, s.suspectRuns = s.suspects.shift()
	}
	if suspect != nil {
		m = suspect.message
	} else if next, ok := s.waiting.shift(); ok {
		m = next
	} else {
		return nil, nil
	}
	s.running++
	s.startLocked()
	return m, suspect
}

// carry takes a message to its end, or a suspect to where it waits.
func (s *slots) carry(ctx context.Context, m *message, suspect *delivery) {
	d, err := suspect, error(nil)
	if d == nil {
		d, err = s.steps.prepare(ctx, m)
		if d != nil && d.isSuspect && s.wait(d) {
			// It gives its slot up and is only held until its turn comes.
			return
		}
	} else if isOurs, noteErr := s.steps.noteStart(ctx, d); !isOurs {
		d, err = nil, noteErr
	}
	if d != nil {
		err = s.handle(ctx, d)
	}
	if err != nil {
		s.steps.broken(m, err)
	}
	// It was answered here, or somebody else's answer was waited for: no lock is needed to see it.
	if !m.isAnswered {
		s.steps.hold.release(m)
	}
}

// wait parks a suspect; false while the member drains.
func (s *slots) wait(d *delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.steps.isDraining.Load() {
		return false
	}
	s.suspects.push(d)
	return true
}

func (s *slots) handle(ctx context.Context, d *delivery) error {
	for now := time.Now(); s.steps.mayStart(d.message, now); now = time.Now() {
		d.begin(now, s.settlement.ledger.transaction())
		o, isLate := s.handlers.runOne(ctx, d, s.handler)
		switch {
		case isLate:
			return s.settlement.late(settling(ctx), d, o)
		case o.err != nil && ctx.Err() != nil:
			// It failed because it was stopped, which is no attempt: ack_wait brings the message back.
			d.tx.rollback(settling(ctx))
			return nil //nolint:nilerr // See above.
		}
		again, err := s.settlement.settle(settling(ctx), d, o)
		if !again {
			return err
		}
	}
	return nil
}

// settling is the context of what is written: what the handler did is made durable also when it was
// aborted.
func settling(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// missed settles one delivery whose handler has missed its deadline.
func (s *slots) missed(ctx context.Context, r *handling) {
	for _, d := range r.deliveries {
		class, text := deadlineError(r.timeout)
		if err := s.settlement.retry(settling(ctx), d, retryCause{class: class, text: text}); err != nil {
			s.steps.broken(d.message, err)
		}
	}
}
