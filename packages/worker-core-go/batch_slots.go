package muster

import (
	"context"
	"sync"
	"time"
)

// batchSlotParts is what runs messages in batches.
type batchSlotParts struct {
	steps       *steps
	settlement  *batchSettlement
	handlers    *handlers
	handler     batchFunc
	concurrency func() int
	// batch is the messages of a batch, and how long the oldest waits for the batch to fill.
	batch  func() (size int, wait time.Duration)
	spawn  func(func(ctx context.Context))
	onFree func()
}

// waitingMessage is a message that waits, with the time it came.
type waitingMessage struct {
	*message

	since time.Time
}

// batchSlots are the messages in hand in batches: a batch starts when it is full or its oldest
// message has waited long enough, and a loop is free. A suspect is a batch of its own.
type batchSlots struct {
	batchSlotParts

	mu          sync.Mutex
	waiting     fifo[waitingMessage]
	suspects    fifo[*delivery]
	running     int
	loops       int
	suspectRuns bool
	timer       *time.Timer
	idle        *sync.Cond
}

func newBatchSlots(parts batchSlotParts) *batchSlots {
	s := &batchSlots{batchSlotParts: parts}
	s.idle = sync.NewCond(&s.mu)
	s.timer = time.AfterFunc(time.Hour, s.pump)
	s.timer.Stop()
	return s
}

func (s *batchSlots) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting.len() + s.suspects.len() + s.running
}

func (s *batchSlots) suspectCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.suspects.len()
}

func (s *batchSlots) take(m *message) {
	s.steps.hold.add(m)
	s.steps.ends.onStep("received")
	s.mu.Lock()
	isDraining := s.steps.isDraining.Load()
	if !isDraining {
		s.waiting.push(waitingMessage{m, time.Now()})
		s.startLocked()
	}
	s.mu.Unlock()
	if isDraining {
		s.steps.giveBack(m)
	}
}

func (s *batchSlots) pump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startLocked()
}

func (s *batchSlots) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps.isDraining.Store(true)
}

func (s *batchSlots) drain() {
	s.stop()
	s.mu.Lock()
	s.timer.Stop()
	waiting, suspects := s.waiting.takeAll(), s.suspects.takeAll()
	s.mu.Unlock()
	for _, m := range waiting {
		s.steps.giveBack(m.message)
	}
	for _, d := range suspects {
		s.steps.giveBack(d.message)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.loops > 0 {
		s.idle.Wait()
	}
}

func (s *batchSlots) startLocked() {
	wanted, wait := s.batch()
	size, loops := batchShape(wanted, s.concurrency())
	for s.loops < loops {
		if !s.suspectRuns {
			if suspect, ok := s.suspects.shift(); ok {
				s.suspectRuns = true
				s.beginLocked(1, func(ctx context.Context) { s.runSuspect(ctx, suspect) })
				continue
			}
		}
		oldest, ok := s.waiting.peek()
		if !ok {
			return
		}
		if left := wait - time.Since(oldest.since); s.waiting.len() < size && left > 0 {
			s.timer.Reset(left)
			return
		}
		var messages []*message
		for len(messages) < size {
			m, ok := s.waiting.shift()
			if !ok {
				break
			}
			messages = append(messages, m.message)
		}
		s.beginLocked(len(messages), func(ctx context.Context) { s.runBatch(ctx, messages) })
	}
}

func (s *batchSlots) beginLocked(count int, work func(ctx context.Context)) {
	s.loops++
	s.running += count
	s.spawn(func(ctx context.Context) {
		defer func() {
			s.mu.Lock()
			s.loops--
			s.running -= count
			s.startLocked()
			s.idle.Broadcast()
			s.mu.Unlock()
			s.onFree()
		}()
		work(ctx)
	})
}

func (s *batchSlots) runBatch(ctx context.Context, messages []*message) {
	prepared := make([]*delivery, len(messages))
	each(len(messages), func(i int) {
		d, err := s.steps.prepare(ctx, messages[i])
		if err != nil {
			s.steps.broken(messages[i], err)
		}
		if d == nil {
			s.steps.hold.release(messages[i])
		}
		prepared[i] = d
	})
	ready := make([]*delivery, 0, len(messages))
	for _, d := range prepared {
		if d != nil && (!d.isSuspect || !s.park(d)) {
			ready = append(ready, d)
		}
	}
	s.handle(ctx, ready)
}

func (s *batchSlots) runSuspect(ctx context.Context, d *delivery) {
	isOurs, err := s.steps.noteStart(ctx, d)
	if err != nil {
		s.steps.broken(d.message, err)
	}
	if isOurs {
		s.handle(ctx, []*delivery{d})
	}
	s.steps.hold.release(d.message)
	s.mu.Lock()
	s.suspectRuns = false
	s.mu.Unlock()
}

// park is false while the member drains.
func (s *batchSlots) park(d *delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.steps.isDraining.Load() {
		return false
	}
	s.suspects.push(d)
	return true
}

// handle runs the handler on what may go on, and again on what its undone transaction leaves; the
// loop is taken until then.
func (s *batchSlots) handle(ctx context.Context, all []*delivery) {
	ready := s.thoseOurs(all)
	for round := 1; len(ready) > 0; round++ {
		again := s.run(ctx, ready)
		if round == batchRounds {
			s.settlement.giveUp(again)
			again = nil
		}
		ready = s.thoseOurs(again)
	}
	for _, d := range all {
		s.steps.hold.release(d.message)
	}
}

func (s *batchSlots) run(ctx context.Context, ready []*delivery) []*delivery {
	tx := s.settlement.ledger.transaction()
	told := make([]*Delivery, len(ready))
	for i, d := range ready {
		d.begin(time.Now(), tx)
		told[i] = &d.Delivery
	}
	b := &Batch{Log: s.steps.log, Conn: s.steps.conn, Tx: told[0].Tx}
	var outcomes []Outcome
	o, isLate := s.handlers.run(ctx, ready, func(ctx context.Context, _ *Delivery) (_ any, err error) {
		outcomes, err = s.handler(ctx, told, b)
		return nil, err
	})
	switch {
	case isLate:
		s.settlement.late(settling(ctx), ready, outcomesOf(outcomes, o.err, len(ready)), tx)
		return nil
	case o.err != nil && ctx.Err() != nil:
		tx.rollback(settling(ctx))
		return nil
	}
	return s.settlement.settle(settling(ctx), ready, outcomesOf(outcomes, o.err, len(ready)), tx)
}

func (s *batchSlots) thoseOurs(deliveries []*delivery) []*delivery {
	ours := make([]*delivery, 0, len(deliveries))
	for _, d := range deliveries {
		if s.steps.mayGoOn(d.message) {
			ours = append(ours, d)
		}
	}
	return ours
}

// each does a thing n times, side by side.
func each(n int, do func(i int)) {
	if n == 1 {
		do(0)
		return
	}
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { do(i) })
	}
	group.Wait()
}
