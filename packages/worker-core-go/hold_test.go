package muster

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"
)

func TestTheGapIsTheLargerOfBothClocks(t *testing.T) {
	t.Parallel()
	now := time.Now()
	equal(t, gap(now.Add(time.Second), now), time.Second)
	// Without a monotonic reading: the machine slept for an hour.
	equal(t, gap(now.Round(0).Add(time.Hour), now), time.Hour)
}

func testConnection(t *testing.T) *connection {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	conn, err := connect(Config{Servers: []string{shared.url}, Log: log, InboxPrefix: defaultInbox}, func(Code, error) {})
	must(t, err)
	t.Cleanup(conn.nc.Close)
	return conn
}

func TestAMessageThatMayBeElsewhereIsNotAnsweredButAcked(t *testing.T) {
	t.Parallel()
	conn := testConnection(t)
	told, err := conn.nc.SubscribeSync("answers." + t.Name())
	must(t, err)
	h := newHold(conn, newAnswers(conn, false), slog.New(slog.DiscardHandler))
	h.setAckWait(time.Second)
	fresh, stale := &message{reply: told.Subject}, &message{reply: told.Subject}
	h.add(fresh)
	h.add(stale)
	stale.lastExtension = time.Now().Add(-2 * time.Second)

	h.extend(t.Context())
	h.nak(stale, 0)
	h.term(stale, "permanent")
	equal(t, []any{h.isOurs(stale), h.isOurs(fresh), h.len()}, []any{false, true, 1})
	h.ack(t.Context(), stale)
	h.answers.flush()
	h.nak(fresh, 3*time.Millisecond)
	// Answered: nothing but an ack may follow.
	h.nak(fresh, 0)
	h.ack(t.Context(), fresh)
	for _, want := range []string{"+WPI", "+ACK", `-NAK {"delay":3000000}`, "+ACK"} {
		answer, err := told.NextMsg(5 * time.Second)
		must(t, err)
		equal(t, string(answer.Data), want)
	}
}

func TestAMessageOfAStoppedProcessIsNotFresh(t *testing.T) {
	t.Parallel()
	h := newHold(&connection{}, nil, slog.New(slog.DiscardHandler))
	h.setAckWait(time.Second)
	longAgo := time.Now().Add(-time.Minute)
	h.ticks = [2]time.Time{longAgo, longAgo}
	// The first tick after the stop may come before the message does.
	h.tick(time.Now())
	m := &message{}
	h.add(m)
	equal(t, h.isOurs(m), false)
}

func TestAcksLeaveTogetherAndInTime(t *testing.T) {
	t.Parallel()
	conn := testConnection(t)
	told, err := conn.nc.SubscribeSync("answers." + t.Name())
	must(t, err)
	a := newAnswers(conn, false)
	// Nothing else asks for them: they come by themselves.
	for range 3 {
		a.ack(t.Context(), told.Subject, false)
	}
	for range 3 {
		_, err := told.NextMsg(5 * time.Second)
		must(t, err)
	}
}

func TestTheSpecSchemaIsTheContracts(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(contractsDir + "/schemas/group-spec.json")
	must(t, err)
	if string(want) != string(specSchema) {
		t.Error("group-spec.json differs: run ./muster generate")
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
