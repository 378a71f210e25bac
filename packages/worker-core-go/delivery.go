package muster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// unreachableDelay is the delay of a nak when a bucket or a stream gave no answer.
const unreachableDelay = 5 * time.Second

var errAborted = errors.New("the member was stopped by force")

// deliveries carries messages through: look up, admit, validate, handle, settle.
type deliveries struct {
	*settler
	wire      *wire
	contracts *contracts
	slots     *slots
	spec      func() *Spec
	handler   handlerFunc
	// draining is closed when nothing may start any more.
	draining <-chan struct{}
	// aborted ends the handlers' contexts.
	aborted context.Context
	degrade func(error)
	// suspects holds one token: a message that kills its process takes no neighbour with it.
	suspects chan struct{}
}

// handlerFunc is a handler of any type of value.
type handlerFunc func(ctx context.Context, value any, d *Delivery) (any, error)

// run carries one message to its end.
func (d *deliveries) run(ctx context.Context, m *message) {
	defer d.hold.release(m)
	d.config.OnStep("received")
	if err := d.carry(ctx, m); err != nil {
		d.setBack(m, err)
	}
}

func (d *deliveries) carry(ctx context.Context, m *message) error {
	if !d.slots.acquire() {
		d.giveBack(m)
		return nil
	}
	p, err := d.prepare(ctx, m)
	if p == nil || !p.isSuspect {
		defer d.slots.release()
		if p == nil || err != nil {
			return err
		}
		return d.handle(ctx, p)
	}
	d.slots.release()
	select {
	case d.suspects <- struct{}{}:
	case <-d.draining:
		d.giveBack(m)
		return nil
	}
	defer func() { <-d.suspects }()
	if !d.slots.acquire() {
		d.giveBack(m)
		return nil
	}
	defer d.slots.release()
	return d.handle(ctx, p)
}

// prepare is steps 1 to 3. No plan: the message is settled, or no longer ours.
func (d *deliveries) prepare(ctx context.Context, m *message) (*plan, error) {
	spec := d.spec()
	if spec == nil || d.isDraining() {
		d.giveBack(m)
		return nil, nil
	}
	if !d.hold.isOurs(m) {
		return nil, nil
	}
	found, err := d.ledger.lookUp(ctx, m)
	if err != nil {
		return nil, err
	}
	p := &plan{message: m, spec: spec, contract: m.contract(spec), found: found, attempt: 1}
	if m.ack.delivered > 1 {
		if p.kept, err = d.records.get(ctx, m); err != nil {
			return nil, err
		}
	}
	if found.decision != rowRun {
		return nil, d.byRow(ctx, p, found)
	}
	if m.ack.delivered > 1 {
		admission, attempt := admit(p.kept.record, m.ack.delivered, m.ack.storeTime, spec.Retry.MaxAttempts)
		p.attempt, p.isSuspect = attempt, admission == admitSuspect
		if admission == admitExhausted || admission == admitCrashLoop {
			class, text := p.record().lastError()
			return nil, d.dead(ctx, p, deathOf(p, string(admission), class, text))
		}
	}
	return d.validate(ctx, p)
}

func (d *deliveries) validate(ctx context.Context, p *plan) (*plan, error) {
	accepted := false
	for _, name := range p.spec.Contracts {
		accepted = accepted || name == p.contract
	}
	if !accepted {
		why := deathOf(p, reasonUnknownContract, "UnknownContract", "unknown contract "+p.contract)
		return nil, d.dead(ctx, p, why)
	}
	judge := d.contracts.get(ctx, p.contract)
	if judge == nil {
		d.log.Warn("contract not known here", "code", p.contract, "seq", p.message.ack.seq)
		d.nakLater(p.message)
		return nil, nil
	}
	value, code, text := judge.judge(p.message.body)
	if code != "" {
		return nil, d.dead(ctx, p, deathOf(p, reasonInvalid, "InvalidMessage", text))
	}
	p.value = value
	return p, nil
}

// outcome is what a handler returned.
type outcome struct {
	result any
	err    error
}

// handle is step 4, and step 5 by what came of it.
func (d *deliveries) handle(ctx context.Context, p *plan) error {
	m := p.message
	if d.isDraining() {
		d.giveBack(m)
		return nil
	}
	if !d.hold.isOurs(m) {
		return nil
	}
	start := time.Now()
	entry := attemptEntry{
		Attempt: p.attempt, Member: d.config.Member, Language: Language, Version: d.config.Version,
		StartedAt: timestamp(start),
	}
	if p.isSuspect {
		kept, err := d.records.write(ctx, m, p.record().noteStart(entry, m.ack.delivered), p.kept)
		if err != nil {
			return err
		}
		if p.kept = kept; !d.hold.isOurs(m) {
			return nil
		}
	}
	d.stats.started()
	defer func() { d.stats.ended(time.Since(start)) }()
	deadline, cancel := context.WithTimeout(d.aborted, ms(p.spec.TimeoutMs))
	defer cancel()
	ended := make(chan outcome, 1)
	go d.call(deadline, p, ended)

	var o outcome
	select {
	case o = <-ended:
	case <-deadline.Done():
		if d.aborted.Err() == nil {
			return d.pastDeadline(ctx, p, entry, ended)
		}
		o = <-ended
	}
	switch {
	case o.err == nil:
		return d.settle(ctx, p, entry, o)
	case d.aborted.Err() != nil:
		// It failed because we stopped it: that is no attempt. ack_wait brings the message back.
		return nil
	case errors.Is(deadline.Err(), context.DeadlineExceeded):
		return d.retry(ctx, p, entry, deadlineFailure(p))
	default:
		return d.settle(ctx, p, entry, o)
	}
}

// pastDeadline fails the attempt at once. The slot stays taken until the handler returns; a result
// it still gives goes through the ledger like any other.
func (d *deliveries) pastDeadline(ctx context.Context, p *plan, entry attemptEntry, ended <-chan outcome) error {
	if err := d.retry(ctx, p, entry, deadlineFailure(p)); err != nil {
		d.setBack(p.message, err)
	}
	d.hold.release(p.message)
	o := <-ended
	if o.err != nil {
		return nil
	}
	result, err := encodeResult(o.result)
	if err != nil {
		return nil
	}
	if err := d.lateDone(ctx, p, result); err != nil {
		d.degrade(err)
	}
	return nil
}

func deadlineFailure(p *plan) failure {
	return failure{class: "DeadlineExceeded", text: fmt.Sprintf("handler exceeded %d ms", p.spec.TimeoutMs)}
}

func (d *deliveries) settle(ctx context.Context, p *plan, entry attemptEntry, o outcome) error {
	var permanent *PermanentError
	var retryable *RetryableError
	var snooze *SnoozeError
	switch {
	case o.err == nil:
		result, err := encodeResult(o.result)
		if err != nil {
			return d.permanent(ctx, p, entry, failure{class: "InvalidResult", text: err.Error()})
		}
		return d.done(ctx, p, result)
	case errors.As(o.err, &snooze):
		return d.snooze(ctx, p, entry, snooze.Delay)
	case errors.As(o.err, &permanent):
		return d.permanent(ctx, p, entry, failure{class: "PermanentError", text: o.err.Error()})
	case errors.As(o.err, &retryable):
		return d.retry(ctx, p, entry, failure{"RetryableError", o.err.Error(), retryable.Delay})
	default:
		return d.retry(ctx, p, entry, failure{class: errorClass(o.err), text: o.err.Error()})
	}
}

// call runs the handler; a panic is an error like any other.
func (d *deliveries) call(ctx context.Context, p *plan, ended chan<- outcome) {
	o := outcome{err: errors.New("the handler's goroutine ended")}
	defer func() {
		if r := recover(); r != nil {
			o = outcome{err: &panicError{value: r}}
		}
		ended <- o
	}()
	m := p.message
	result, err := d.handler(ctx, p.value, &Delivery{
		EventID: m.eventID,
		Attempt: p.attempt,
		Subject: m.subject,
		Header:  m.headers,
		Log:     d.log.With("seq", m.ack.seq, "event_id", m.eventID, "delivery", m.ack.delivered, "attempt", p.attempt),
		Conn:    d.wire.nc,
	})
	o = outcome{result: result, err: err}
}

type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// encodeResult is the result as compact JSON. The error is what the dead letter says.
func encodeResult(result any) (json.RawMessage, error) {
	data, err := encodeJSON(result)
	switch {
	case err != nil:
		return nil, errors.New("result is not JSON")
	case len(data) > maxResultBytes:
		return nil, fmt.Errorf("result is over %d bytes", maxResultBytes)
	default:
		return data, nil
	}
}

// giveBack is for a message that was not started while draining: another member takes it at once.
func (d *deliveries) giveBack(m *message) {
	d.hold.nak(m, 0)
	d.stats.settled(outcomeReturned)
}

// setBack is for what did not answer: again in a while, nothing counted, nothing concluded.
func (d *deliveries) setBack(m *message, err error) {
	d.log.Debug("set back", "seq", m.ack.seq, "event_id", m.eventID, "error", err.Error())
	d.degrade(err)
	d.nakLater(m)
}

func (d *deliveries) nakLater(m *message) {
	d.hold.nak(m, unreachableDelay)
	d.stats.settled(outcomeRetry)
}

func (d *deliveries) isDraining() bool {
	select {
	case <-d.draining:
		return true
	default:
		return false
	}
}

// deathOf a message whose handler was not started.
func deathOf(p *plan, reason, class, text string) death {
	record := p.record()
	return death{reason, class, text, record.Attempts, record.History}
}
