package muster

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// hold keeps the messages in hand in progress and publishes the answers to them.
//
// A message whose last extension is longer ago than ack_wait may be with another member already:
// any answer but the ack of finished work would disturb that one.
type hold struct {
	wire  *wire
	log   *slog.Logger
	ticks *ticks

	mu       sync.Mutex
	ackWait  time.Duration
	messages map[*message]struct{}
	// lateAcks could not be sent; a lost one costs a redelivery, so they wait for the connection.
	lateAcks []string
}

func newHold(w *wire, log *slog.Logger) *hold {
	return &hold{wire: w, log: log, ticks: newTicks(), ackWait: 30 * time.Second, messages: map[*message]struct{}{}}
}

func (h *hold) setAckWait(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ackWait = d
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
	m.lastExtension = h.ticks.secondLast()
	h.messages[m] = struct{}{}
}

// release ends the extensions.
func (h *hold) release(m *message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.messages, m)
}

func (h *hold) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.messages)
}

// oldest is the message longest in hand, nil where there is none.
func (h *hold) oldest() *message {
	h.mu.Lock()
	defer h.mu.Unlock()
	var oldest *message
	for m := range h.messages {
		if oldest == nil || m.since.Before(oldest.since) {
			oldest = m
		}
	}
	return oldest
}

// isOurs reports whether no other member can have the message. Once lost, it stays so.
func (h *hold) isOurs(m *message) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.isOursLocked(m, time.Now())
}

func (h *hold) isOursLocked(m *message, now time.Time) bool {
	if !m.isLost && gap(now, m.lastExtension) > h.ackWait {
		m.isLost = true
		delete(h.messages, m)
		h.log.Warn("lost", "seq", m.ack.seq, "event_id", m.eventID, "delivery", m.ack.delivered)
	}
	return !m.isLost
}

// ack is always sent, if need be when the connection is back: the message's work is done.
func (h *hold) ack(m *message) {
	h.release(m)
	if h.wire.publish(m.reply, ackBody()) == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lateAcks = append(h.lateAcks, m.reply)
}

// nak gives the message back, if it is still ours. While disconnected it is left to ack_wait.
func (h *hold) nak(m *message, delay time.Duration) { h.answer(m, nakBody(delay)) }

// term removes the message for good, if it is still ours.
func (h *hold) term(m *message, reason string) { h.answer(m, termBody(reason)) }

// answer publishes under the lock: a +WPI behind a nak would undo its delay.
func (h *hold) answer(m *message, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	isOurs := h.isOursLocked(m, time.Now())
	delete(h.messages, m)
	if !isOurs {
		return
	}
	if err := h.wire.publish(m.reply, body); err != nil {
		h.log.Debug("not answered", "seq", m.ack.seq, "error", err.Error())
	}
}

// sendLateAcks is for a connection that is back.
func (h *hold) sendLateAcks() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.lateAcks) > 0 && h.wire.publish(h.lateAcks[0], ackBody()) == nil {
		h.lateAcks = h.lateAcks[1:]
	}
}

// run extends every third of ack_wait until ctx ends. Ticks go on while an extension is under way.
func (h *hold) run(ctx context.Context) {
	var group sync.WaitGroup
	group.Go(func() { h.every(ctx, 10, func(context.Context) { h.ticks.tick() }) })
	h.every(ctx, 3, h.extend)
	group.Wait()
}

func (h *hold) every(ctx context.Context, part time.Duration, do func(context.Context)) {
	for {
		timer := time.NewTimer(max(h.getAckWait()/part, 5*time.Millisecond))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			do(ctx)
		}
	}
}

// extend counts from before the first publish, and only once the server has read them all.
func (h *hold) extend(ctx context.Context) {
	before := time.Now()
	extended := h.publishExtensions(before)
	if len(extended) == 0 {
		return
	}
	if err := h.wire.flush(ctx, h.getAckWait()); err != nil {
		h.log.Debug("not extended", "error", err.Error())
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
	extended := make([]*message, 0, len(h.messages))
	for m := range h.messages {
		if h.isOursLocked(m, now) && h.wire.publish(m.reply, inProgressBody()) == nil {
			extended = append(extended, m)
		}
	}
	return extended
}
