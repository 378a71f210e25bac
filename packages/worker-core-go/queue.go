package muster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// queueParts is what a core queue group works with.
type queueParts struct {
	conn      *connection
	config    Config
	spec      func() *Spec
	contracts *contracts
	handlers  *handlers
	handler   handlerFunc
	records   *records
	letters   *queueLetters
	ends      *ends
	mayTake   func() bool
	spawn     func(func(ctx context.Context))
}

// queue is a core NATS queue group: at most once. The server forgets a message when it has handed it
// out, so nothing can be given back: what fails is dead-lettered at once, what a killed process had
// in hand is lost.
type queue struct {
	queueParts

	mu       sync.Mutex
	waiting  fifo[*message]
	running  int
	isComing bool
	subs     []*nats.Subscription
	isClosed bool
	isFull   bool
	idle     *sync.Cond
}

func newQueue(parts queueParts) *queue {
	q := &queue{queueParts: parts}
	q.idle = sync.NewCond(&q.mu)
	return q
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting.len() + q.running
}

func (q *queue) suspectCount() int { return 0 }

func (q *queue) freed() { q.wake() }

// wake subscribes or unsubscribes: while paused messages pass unseen.
func (q *queue) wake() {
	q.mu.Lock()
	mayTake := !q.isClosed && q.mayTake()
	var old []*nats.Subscription
	switch {
	case mayTake && q.subs == nil:
		for _, subject := range q.spec().Subjects {
			q.subscribeLocked(subject)
		}
	case !mayTake:
		old, q.subs = q.subs, nil
	}
	q.mu.Unlock()
	for _, sub := range old {
		_ = sub.Drain()
	}
}

func (q *queue) subscribeLocked(subject string) {
	sub, err := q.conn.nc.QueueSubscribe(subject, q.config.Group, func(msg *nats.Msg) { q.takeMsg(msg, msg.Subject) })
	if err != nil {
		q.ends.log.Warn("pull refused", "code", "pull_refused", "error", err.Error())
		return
	}
	_ = sub.SetPendingLimits(-1, -1)
	q.subs = append(q.subs, sub)
}

// replay takes a dead letter that somebody sends back, and says whether it has it in hand.
func (q *queue) replay(msg *nats.Msg) {
	subject := Header(msg.Header).Get("Muster-Replay-Subject")
	if subject == "" {
		subject = msg.Subject
	}
	answer := `{"ok":false,"error":"takes no messages now"}`
	if q.mayTake() {
		answer = `{"ok":false,"error":"full"}`
		if q.takeMsg(msg, subject) {
			answer = `{"ok":true}`
		}
	}
	_ = msg.Respond([]byte(answer))
}

// takeMsg is false where there is no room.
func (q *queue) takeMsg(msg *nats.Msg, subject string) bool {
	m := coreMessage(msg, subject)
	q.mu.Lock()
	wasFull := q.isFull
	q.isFull = q.waiting.len() >= q.spec().MaxAckPending
	isFull := q.isFull
	q.mu.Unlock()
	if isFull {
		q.letters.lost(m, "no room", !wasFull)
		return false
	}
	q.take(m)
	return true
}

func (q *queue) take(m *message) {
	q.ends.onStep("received")
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting.push(m)
	q.startLocked()
}

func (q *queue) pump() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.startLocked()
}

// drain, as a source, ends the subscriptions. As an intake the queue handles what was received, for
// it cannot be given back; see [queueIntake].
func (q *queue) drain(ctx context.Context) {
	q.mu.Lock()
	q.isClosed = true
	subs := q.subs
	q.subs = nil
	q.mu.Unlock()
	each(len(subs), func(i int) { q.conn.drain(ctx, subs[i]) })
}

// queueIntake is the queue as an intake.
type queueIntake struct{ *queue }

// stop: what a queue group has in hand cannot be given back, and is handled.
func (q queueIntake) stop() {}

func (q queueIntake) drain() {
	q.mu.Lock()
	for q.waiting.len()+q.running > 0 {
		q.idle.Wait()
	}
	q.mu.Unlock()
	q.letters.drain()
}

func (q *queue) startLocked() {
	if !q.isComing && q.running < q.spec().Concurrency && q.waiting.len() > 0 {
		q.isComing = true
		q.spawn(q.work)
	}
}

func (q *queue) work(ctx context.Context) {
	for m := q.next(false); m != nil; m = q.next(true) {
		q.carry(ctx, m)
	}
}

// next takes the next message; nil when there is none.
func (q *queue) next(isAgain bool) *message {
	q.mu.Lock()
	defer q.mu.Unlock()
	if isAgain {
		q.running--
	} else {
		q.isComing = false
	}
	if q.running < q.spec().Concurrency {
		if m, ok := q.waiting.shift(); ok {
			q.running++
			q.startLocked()
			return m
		}
	}
	q.idle.Broadcast()
	return nil
}

func (q *queue) carry(ctx context.Context, m *message) {
	spec := q.spec()
	d := newDelivery(m, m.contract(spec), q.ends.log, q.conn.nc)
	if !slices.Contains(spec.Contracts, d.contract) {
		q.fail(d, failure{reasonUnknownContract, "UnknownContract", "unknown contract " + d.contract})
		return
	}
	judge := q.contracts.get(ctx, d.contract)
	if judge == nil {
		// Nothing can be given back, and a dead letter can be replayed.
		q.fail(d, failure{reasonUnknownContract, "UnknownContract", "contract " + d.contract + " is not in the bucket"})
		return
	}
	value, code, text := judge.judge(m.body)
	if code != "" {
		q.fail(d, failure{reasonInvalid, "InvalidMessage", text})
		return
	}
	d.Value = value
	d.begin(time.Now(), nil)
	// A late end changes nothing: the dead letter is there already, the slot was taken until now.
	if o, isLate := q.handlers.runOne(ctx, d, q.handler); !isLate {
		q.settle(d, o)
	}
}

func (q *queue) settle(d *delivery, o handled) {
	err := o.err
	if err == nil {
		if _, invalid := encodeResult(o.result); invalid != nil {
			err = &invalidResultError{invalid}
		}
	}
	var permanent *PermanentError
	var retryable *RetryableError
	var snooze *SnoozeError
	switch {
	case err == nil:
		q.ends.end(d.message, d.Attempt, outcomeDone, endFields{})
	case errors.As(err, new(*invalidResultError)):
		q.fail(d, failure{reasonPermanent, "InvalidResult", err.Error()})
	case errors.As(err, &permanent):
		q.fail(d, failure{reasonPermanent, "PermanentError", err.Error()})
	case errors.As(err, &snooze):
		q.fail(d, failure{reasonExhausted, "Snooze", err.Error()})
	case errors.As(err, &retryable):
		q.fail(d, failure{reasonExhausted, "RetryableError", err.Error()})
	default:
		q.fail(d, failure{reasonExhausted, errorClass(err), err.Error()})
	}
}

// missed settles one delivery whose handler has missed its deadline.
func (q *queue) missed(r *handling) {
	class, text := deadlineError(r.timeout)
	q.fail(r.deliveries[0], failure{reasonExhausted, class, text})
}

func (q *queue) fail(d *delivery, why failure) {
	attempt, record := 0, (*attemptsRecord)(nil)
	if why.reason == reasonPermanent || why.reason == reasonExhausted {
		attempt = d.Attempt
		failed := q.records.withFailure(d.message, nil, attemptFailed{startedAt: d.startedAt, class: why.class, text: why.text})
		record = &failed
	}
	q.letters.send(d.message, why, d.contract, record)
	q.ends.end(d.message, attempt, outcomeDead, endFields{reason: why.reason, err: why.text})
}
