package muster

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestTheGapIsTheLargerOfBothClocks(t *testing.T) {
	t.Parallel()
	now := time.Now()
	equal(t, gap(now.Add(time.Second), now), time.Second)
	// Without a monotonic reading: the machine slept for an hour.
	equal(t, gap(now.Round(0).Add(time.Hour), now), time.Hour)
}

func TestAMessageThatMayBeElsewhereIsNotAnsweredButAcked(t *testing.T) {
	t.Parallel()
	nc, err := nats.Connect(shared.url)
	must(t, err)
	t.Cleanup(nc.Close)
	answers, err := nc.SubscribeSync("answers." + t.Name())
	must(t, err)
	h := newHold(&wire{nc: nc}, slog.New(slog.DiscardHandler))
	h.setAckWait(time.Second)
	fresh, stale := &message{reply: answers.Subject}, &message{reply: answers.Subject}
	h.add(fresh)
	h.add(stale)
	stale.lastExtension = time.Now().Add(-2 * time.Second)

	h.extend(t.Context())
	h.nak(stale, 0)
	h.term(stale, "permanent")
	equal(t, []any{h.isOurs(stale), h.isOurs(fresh), h.len()}, []any{false, true, 1})
	h.ack(stale)
	h.nak(fresh, 3*time.Millisecond)
	for _, want := range []string{"+WPI", "+ACK", `-NAK {"delay":3000000}`} {
		answer, err := answers.NextMsg(5 * time.Second)
		must(t, err)
		equal(t, string(answer.Data), want)
	}
}

func TestAMessageOfAStoppedProcessIsNotFresh(t *testing.T) {
	t.Parallel()
	h := newHold(nil, slog.New(slog.DiscardHandler))
	h.setAckWait(time.Second)
	h.ticks.before = time.Now().Add(-time.Minute)
	// The first tick after the stop may come before the message does.
	h.ticks.last = h.ticks.before
	h.ticks.tick()
	m := &message{}
	h.add(m)
	equal(t, h.isOurs(m), false)
}

func TestCreditsFollowTheServersWord(t *testing.T) {
	t.Parallel()
	p := &puller{requests: []pullRequest{{number: 1, credits: 10}, {number: 2, credits: 10}}}
	p.take(10)
	// The server filled both alike.
	p.end(1, 5)
	equal(t, p.outstanding(), 5)
	p.end(2, 5)
	equal(t, p.outstanding(), 0)

	p = &puller{requests: []pullRequest{{number: 1, credits: 10}, {number: 2, credits: 10}}}
	p.take(4)
	p.end(1, 10)
	equal(t, p.outstanding(), 6)
	p.end(2, -1)
	equal(t, p.outstanding(), 0)
}

func TestSlotsComeInOrderAndCloseSendsAway(t *testing.T) {
	t.Parallel()
	s := &slots{}
	s.setLimit(1)
	equal(t, s.acquire(), true)
	second := make(chan bool)
	go func() { second <- s.acquire() }()
	eventually(t, "the second to wait", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.waiting) == 1 })
	s.release()
	equal(t, <-second, true)
	go func() { second <- s.acquire() }()
	eventually(t, "the third to wait", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.waiting) == 1 })
	s.close()
	equal(t, []bool{<-second, s.acquire()}, []bool{false, false})
}

func TestTheSpecSchemaIsTheContracts(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(contractsDir + "/schemas/group-spec.json")
	must(t, err)
	if string(want) != string(specSchema) {
		t.Error("group-spec.json differs: run go generate")
	}
}

func TestASpecHasDefaultsAndRules(t *testing.T) {
	t.Parallel()
	spec, err := parseSpec([]byte(`{"v":1,"stream":"S","group":"g","contracts":["a"],"subjects":["a.>"],"timeout_ms":1e3,"retry":{"jitter":0},"new":1}`), 7, "S", "g")
	must(t, err)
	equal(t, *spec, Spec{
		Stream: "S", Group: "g", Contracts: []string{"a"}, Subjects: []string{"a.>"}, Delivery: SpecDelivery{Mode: "pull"}, Ledger: "kv",
		AckWaitMs: 30_000, MaxAckPending: 200_000, Concurrency: 10, TimeoutMs: 1000, Revision: 7,
		Retry: SpecRetry{MaxAttempts: 5, BackoffMs: []int64{1000, 5000, 30_000, 120_000}, MaxSnoozeMs: 3_600_000},
	})
	for _, bad := range []string{`{}`, `{"v":2,"stream":"S","group":"g","contracts":["a"],"subjects":["a.>"]}`, `{"v":1,"stream":"S","group":"other","contracts":["a"],"subjects":["a.>"]}`} {
		if _, err := parseSpec([]byte(bad), 1, "S", "g"); !HasCode(err, CodeBadSpec) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

type customError struct{}

func (customError) Error() string { return "custom" }

func TestErrorClasses(t *testing.T) {
	t.Parallel()
	equal(t, errorClass(errors.New("x")), "Error")
	equal(t, errorClass(customError{}), "CustomError")
	equal(t, errorClass(&panicError{}), "PanicError")
	equal(t, errorClass(fmt.Errorf("while doing: %w", customError{})), "CustomError")
}
