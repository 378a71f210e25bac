package muster

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// holding is what the hold knows of a message in hand.
type holding struct {
	prev, next *message
	// lastExtension is when the server last surely knew that we have it.
	lastExtension time.Time
	// isReleased: settled, given back or lost; it is not kept in progress any more.
	isReleased bool
	// isAnswered: settled or given back; no second answer but an ack may be sent.
	isAnswered bool
}

// hold keeps the messages in hand in progress, and lets only those be answered that are still ours.
//
// A message whose last extension is longer ago than ack_wait may already be with another member: an
// answer to it would disturb that one, so only the ack of a finished message is still sent.
type hold struct {
	conn    *connection
	answers *answers
	log     *slog.Logger

	mu      sync.Mutex
	ackWait time.Duration
	// ticks are the last two of a timer; a process that was stopped has old ones, so it does not
	// believe that what waited in its socket is fresh.
	ticks [2]time.Time
	// onFresh is called when isFresh has become true again.
	onFresh func()
	// first begins a list in the order of receipt, which is a ring through the root.
	root  message
	count int
	// rearm says that ack_wait has changed, due that what is held is to be extended.
	rearm, due chan struct{}
}

// defaultAckWait holds until the first spec: a member without one holds nothing.
const defaultAckWait = 30 * time.Second

func newHold(conn *connection, answers *answers, log *slog.Logger) *hold {
	now := time.Now()
	h := &hold{
		conn: conn, answers: answers, log: log,
		ackWait: defaultAckWait, ticks: [2]time.Time{now, now}, rearm: make(chan struct{}, 1), due: make(chan struct{}, 1),
	}
	conn.onChange(func(isUp bool) {
		if isUp {
			signal(h.due)
		}
	})
	h.root.prev, h.root.next = &h.root, &h.root
	return h
}

// setAckWait arms the timers anew when it has changed: those of a long one come too late for a short
// one.
func (h *hold) setAckWait(d time.Duration) {
	h.mu.Lock()
	isNew := h.ackWait != d
	h.ackWait = d
	if isNew {
		now := time.Now()
		h.ticks = [2]time.Time{now, now}
	}
	h.mu.Unlock()
	if isNew {
		signal(h.rearm)
	}
}

func (h *hold) getAckWait() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ackWait
}

// add takes a message in hand.
func (h *hold) add(m *message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m.lastExtension = h.ticks[0]
	m.prev, m.next = h.root.prev, &h.root
	m.prev.next, m.next.prev = m, m
	h.count++
}

func (h *hold) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// release ends the extensions without an answer.
func (h *hold) release(m *message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.releaseLocked(m)
}

func (h *hold) releaseLocked(m *message) {
	m.isReleased = true
	if m.next != nil {
		m.prev.next, m.next.prev = m.next, m.prev
		m.prev, m.next = nil, nil
		h.count--
	}
}

// isFresh is false when this process was stopped a moment ago, or could not keep up: what comes now
// does not look fresh, and nothing more is to be asked for. It would be lost at once, make room for
// more, and come again after ack_wait.
func (h *hold) isFresh() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.isFreshLocked(time.Now())
}

func (h *hold) isFreshLocked(now time.Time) bool { return gap(now, h.ticks[0]) <= h.ackWait/2 }

// isOurs reports whether no other member can have the message. Once lost, it stays so.
func (h *hold) isOurs(m *message) bool { return h.isOursAt(m, time.Now()) }

func (h *hold) isOursAt(m *message, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.isOursLocked(m, now)
}

func (h *hold) isOursLocked(m *message, now time.Time) bool {
	if !m.isReleased && gap(now, m.lastExtension) > h.ackWait {
		h.log.Warn("lost", "code", "lost", "seq", m.ack.seq, "event_id", m.eventID, "delivery", m.ack.delivered)
		h.releaseLocked(m)
	}
	return !m.isReleased
}

// ack is always sent, if need be when the connection is back: the message's work is done. It returns
// when the server has it, where acks are confirmed.
func (h *hold) ack(ctx context.Context, m *message) {
	h.mu.Lock()
	m.isAnswered = true
	h.releaseLocked(m)
	isLast := h.count == 0
	h.mu.Unlock()
	h.answers.ack(ctx, m.reply, isLast)
}

// nak gives the message back, after the delay. While disconnected it is left to ack_wait.
func (h *hold) nak(m *message, delay time.Duration) { h.answer(m, nakBody(delay)) }

// term removes the message for good.
func (h *hold) term(m *message, reason string) { h.answer(m, termBody(reason)) }

// answer publishes under the lock: a +WPI behind a nak would undo its delay.
func (h *hold) answer(m *message, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !m.isAnswered && h.isOursLocked(m, time.Now()) {
		h.answers.send(m.reply, body)
	}
	m.isAnswered = true
	h.releaseLocked(m)
}

// run ticks and extends until ctx ends.
func (h *hold) run(ctx context.Context) {
	for ctx.Err() == nil {
		h.runArmed(ctx, h.getAckWait())
	}
}

// runArmed returns when ack_wait has changed.
func (h *hold) runArmed(ctx context.Context, ackWait time.Duration) {
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(max(ackWait/10, 10*time.Millisecond))
	defer tick.Stop()
	extension := time.NewTicker(max(ackWait/3, 10*time.Millisecond))
	defer extension.Stop()
	// Beside the ticks, which go on while an extension waits for its answer.
	group.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-h.due:
				h.extend(ctx)
			}
		}
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.rearm:
			signal(h.due)
			return
		case <-tick.C:
			h.tick(time.Now())
		case <-extension.C:
			signal(h.due)
		}
	}
}

func (h *hold) tick(now time.Time) {
	h.mu.Lock()
	wasFresh := h.isFreshLocked(now)
	h.ticks = [2]time.Time{h.ticks[1], now}
	isFreshAgain, onFresh := !wasFresh && h.isFreshLocked(now), h.onFresh
	h.mu.Unlock()
	if isFreshAgain && onFresh != nil {
		onFresh()
	}
}

func (h *hold) setOnFresh(listener func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onFresh = listener
}

// extend counts from before the first publish, and only once the server has read them all.
func (h *hold) extend(ctx context.Context) {
	if !h.conn.isUp() {
		return
	}
	before := time.Now()
	extended := h.publishExtensions(before)
	if len(extended) == 0 || h.conn.flush(ctx, h.getAckWait()) != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range extended {
		m.lastExtension = before
	}
}

func (h *hold) publishExtensions(now time.Time) []*message {
	h.mu.Lock()
	defer h.mu.Unlock()
	extended := make([]*message, 0, h.count)
	for m := h.root.next; m != &h.root; {
		// isOursLocked takes a lost one out of the list.
		next := m.next
		if h.isOursLocked(m, now) && h.answers.send(m.reply, inProgressBody()) {
			extended = append(extended, m)
		}
		m = next
	}
	return extended
}
