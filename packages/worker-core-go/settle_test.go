package muster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestDoneLeavesARowAndNoMessage(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	serve(t, g.config("m"), func(_ context.Context, order map[string]any, d *Delivery) (any, error) {
		return map[string]any{"id": order["id"], "text": "<&>", "attempt": d.Attempt, "subject": d.Subject}, nil
	})
	seq := g.publish("o-1.created", order("o-1", 1))
	g.settled()
	row := g.row("o-1.created")
	equal(t, string(row.Result), `{"attempt":1,"id":"o-1","subject":"`+g.subject("created")+`","text":"<&>"}`)
	equal(t, []any{row.V, row.Status, row.Sequence, row.BodySHA256, row.Language}, []any{1, "done", seq, sha256Hex(order("o-1", 1)), "go"})
	equal(t, len(g.deadLetters()), 0)
}

func TestAFailedAttemptComesBackAndIsDone(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	attempts := make(chan int, 10)
	serve(t, g.config("m"), func(_ context.Context, _ map[string]any, d *Delivery) (any, error) {
		attempts <- d.Attempt
		switch d.Attempt {
		case 1:
			return nil, errors.New("not yet")
		case 2:
			panic("not yet either")
		}
		return nil, nil
	})
	seq := g.publish("o-1.created", order("o-1", 1))
	g.settled()
	equal(t, []int{<-attempts, <-attempts, <-attempts}, []int{1, 2, 3})
	equal(t, string(g.row("o-1.created").Result), "null")
	eventually(t, "the record to be deleted", func() bool { return g.record(seq) == nil })
}

func TestPermanentIsADeadLetterWithBytesAndHeaders(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	serve(t, g.config("m"), func(context.Context, map[string]any, *Delivery) (any, error) {
		return nil, Permanent("no ünicorns")
	})
	body := order("o-1", 1)
	g.publish("o-1.created", body, "Muster-Dlq-Reason", "forged", "Nats-Msg-Id", "mine", "X-Twice", "a", "X-Twice", "b")
	letter := g.deadLetter()
	g.settled()
	equal(t, letter.Data, body)
	equal(t, letter.Subject, DLQSubject(g.stream, g.name, "permanent"))
	header := Header(letter.Header).last()
	for name, want := range map[string]string{
		"Muster-Dlq-Reason": "permanent", "Muster-Dlq-Error": `no \u00fcnicorns`, "Muster-Dlq-Error-Class": "PermanentError",
		"Muster-Original-Nats-Msg-Id": "mine", "X-Twice": "b", "Muster-Dlq-Attempts": "1", "Muster-Dlq-Language": "go",
		"Muster-Dlq-Version": "1.2.3", "Muster-Dlq-Subject": g.subject("created"), "Muster-Dlq-Contract": "order.v1",
		"Nats-Msg-Id": DeadLetterID(g.name, "o-1.created", 1, header["Muster-Dlq-Store-Time"]),
	} {
		equal(t, name+": "+header[name], name+": "+want)
	}
	row := g.row("o-1.created")
	equal(t, row.Status, "dead")
	equal(t, row.Headers, header)
}

func TestHeadersThatTheClientCannotWriteDoNoHarm(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	serve(t, g.config("m"), func(context.Context, map[string]any, *Delivery) (any, error) { return nil, Permanent("no") })
	headers := "NATS/1.0\r\nx/y: z\r\nMuster-Event-Id: \xff\r\nNats-Expected-Stream: " + g.stream + "\r\nX: ok\r\n\r\n"
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.server.url, "nats://"))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	body := order("o-1", 1)
	_, err = fmt.Fprintf(conn, "CONNECT {\"headers\":true,\"verbose\":false}\r\nHPUB %s %d %d\r\n%s%s\r\nPING\r\n",
		g.subject("created"), len(headers), len(headers)+len(body), headers, body)
	must(t, err)
	header := Header(g.deadLetter().Header).last()
	g.settled()
	equal(t, []string{header["X"], header["Muster-Event-Id"], header["Muster-Original-Nats-Expected-Stream"]}, []string{"ok", `\ufffd`, g.stream})
}

func TestAttemptsUsedUpAreExhausted(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	serve(t, g.config("m"), func(_ context.Context, _ map[string]any, d *Delivery) (any, error) {
		if d.Attempt == 1 {
			return nil, Retryable("first", time.Millisecond)
		}
		return nil, Retryable("later")
	})
	g.publish("o-1.created", order("o-1", 1))
	header := Header(g.deadLetter().Header).last()
	g.settled()
	equal(t, []string{header["Muster-Dlq-Reason"], header["Muster-Dlq-Attempts"], header["Muster-Dlq-Error"]}, []string{"exhausted", "3", "later"})
	var history []AttemptEntry
	must(t, json.Unmarshal([]byte(header["Muster-Dlq-History"]), &history))
	equal(t, []any{len(history), history[0].Error, *history[0].DelayMs, history[2].DelayMs}, []any{3, "first", int64(1), (*int64)(nil)})
	equal(t, header["Muster-Dlq-First-At"], history[0].StartedAt)
}

func TestWhatBreaksTheContractIsInvalid(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	serve(t, g.config("m"), func(context.Context, map[string]any, *Delivery) (any, error) {
		t.Error("the handler was called")
		return nil, nil
	})
	g.publish("a", []byte("\xff{"))
	g.publish("b", order("o-1", 1), "Muster-Contract", "other.v1")
	g.publish("c", []byte(`{"id":"x"}`))
	g.settled()
	told := map[string]string{}
	for _, letter := range g.deadLetters() {
		header := Header(letter.Header).last()
		told[header["Muster-Dlq-Event-Id"]] = header["Muster-Dlq-Reason"] + ", " + header["Muster-Dlq-Error-Class"] + ", " + header["Muster-Dlq-Error"] + ", " + header["Muster-Dlq-Attempts"]
	}
	equal(t, told, map[string]string{
		"a": "invalid, InvalidMessage, not UTF-8, 0",
		"b": "unknown_contract, UnknownContract, unknown contract other.v1, 0",
		"c": "invalid, InvalidMessage, does not match order.v1 at /, 0",
	})
}

func TestTheSameEventAgainIsARepeat(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	var calls atomic.Int32
	serve(t, g.config("m"), func(context.Context, map[string]any, *Delivery) (any, error) {
		calls.Add(1)
		return nil, nil
	})
	g.publish("o-1.created", order("o-1", 1))
	g.settled()
	seq := g.publish("o-1.created", order("o-1", 1))
	g.settled()
	equal(t, g.row("o-1.created").Sequences, []uint64{seq})
	equal(t, calls.Load(), int32(1))
}

func TestTheSameEventWithAnotherBodyIsAConflict(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	serve(t, g.config("m"), func(context.Context, map[string]any, *Delivery) (any, error) { return nil, nil })
	first := g.publish("o-1.created", order("o-1", 1))
	g.settled()
	g.publish("o-1.created", order("o-1", 2))
	header := Header(g.deadLetter().Header).last()
	g.settled()
	equal(t, []string{header["Muster-Dlq-Reason"], header["Muster-Dlq-Error-Class"], header["Muster-Dlq-Error"]}, []string{"conflict", "Conflict", conflictFailure.text})
	row := g.row("o-1.created")
	equal(t, []any{row.Status, row.Sequence, len(row.Sequences)}, []any{"done", first, 0})
}

func TestACorrectedOrderOverwritesADeadRow(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	serve(t, g.config("m"), func(_ context.Context, order map[string]any, _ *Delivery) (any, error) {
		if order["amount"] == -1.0 {
			return nil, Permanent("negative amount")
		}
		return "fine", nil
	})
	first := g.publish("o-1.created", order("o-1", -1))
	g.deadLetter()
	g.settled()
	g.publish("o-1.created", order("o-1", 1))
	g.settled()
	row := g.row("o-1.created")
	equal(t, []any{row.Status, row.Sequences}, []any{"done", []uint64{first}})
}

func TestADeadRowOfTheMessageItselfIsFinished(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	config := g.config("m")
	// The first member stops at the row; what it still does comes too late.
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	config.OnStep = func(step string) {
		if step == "row_dead" {
			<-stuck
		}
	}
	config.Grace = time.Millisecond
	first := serve(t, config, func(context.Context, map[string]any, *Delivery) (any, error) { return nil, Permanent("once") })
	g.publish("o-1.created", order("o-1", 1))
	eventually(t, "the dead row", func() bool { return g.row("o-1.created") != nil })
	first.Drain()
	if err := first.wait(t); !HasCode(err, CodeForced) {
		t.Fatalf("ended with %v", err)
	}
	serve(t, g.config("n"), func(context.Context, map[string]any, *Delivery) (any, error) {
		t.Error("the handler was called")
		return nil, nil
	})
	header := Header(g.deadLetter().Header).last()
	g.settled()
	equal(t, header, g.row("o-1.created").Headers)
	equal(t, header["Muster-Dlq-Member"], "m")
}

func TestASnoozeCountsNoAttempt(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	var calls atomic.Int32
	serve(t, g.config("m"), func(_ context.Context, _ map[string]any, d *Delivery) (any, error) {
		equal(t, d.Attempt, 1)
		if calls.Add(1) <= 4 {
			return nil, Snooze(5 * time.Millisecond)
		}
		return nil, nil
	})
	g.publish("o-1.created", order("o-1", 1))
	g.settled()
	equal(t, calls.Load(), int32(5))
}

func TestAResultThatIsTooLargeIsPermanent(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	serve(t, g.config("m"), func(_ context.Context, order map[string]any, _ *Delivery) (any, error) {
		if order["id"] == "fits" {
			return strings.Repeat("<", maxResultBytes-2), nil
		}
		return strings.Repeat("<", maxResultBytes-1), nil
	})
	g.publish("fits", order("fits", 1))
	g.publish("large", order("large", 1))
	g.settled()
	equal(t, g.row("fits").Status, "done")
	header := Header(g.deadLetter().Header).last()
	equal(t, []string{header["Muster-Dlq-Reason"], header["Muster-Dlq-Error-Class"]}, []string{"permanent", "InvalidResult"})
}

func TestALateResultIsDoneAllTheSame(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["timeout_ms"] = 50
	g.spec["retry"] = map[string]any{"max_attempts": 3, "backoff_ms": []int{20_000}}
	g.apply()
	release := make(chan struct{})
	serve(t, g.config("m"), func(ctx context.Context, _ map[string]any, _ *Delivery) (any, error) {
		<-ctx.Done()
		<-release
		return "late", nil
	})
	seq := g.publish("o-1.created", order("o-1", 1))
	eventually(t, "the attempt to fail", func() bool { return g.record(seq) != nil })
	record := g.record(seq)
	equal(t, []any{record.Attempts, record.History[0].ErrorClass, record.History[0].Error}, []any{1, "DeadlineExceeded", "handler exceeded 50 ms"})
	close(release)
	g.settled()
	equal(t, string(g.row("o-1.created").Result), `"late"`)
}

func TestSuspectsRunOneAtATimeAndAreNoted(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	var seqs []uint64
	for _, id := range []string{"a", "b", "c", "d"} {
		seqs = append(seqs, g.publish(id, order(id, 1)))
	}
	// Somebody took them all and never reported back.
	consumer, err := g.js.Consumer(t.Context(), g.stream, g.name)
	must(t, err)
	batch, err := consumer.Fetch(4)
	must(t, err)
	for range batch.Messages() {
	}
	var mu sync.Mutex
	running, most := 0, 0
	serve(t, g.config("m"), func(_ context.Context, _ map[string]any, d *Delivery) (any, error) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		noted := 0
		for _, seq := range seqs {
			if record := g.record(seq); record != nil && record.Open && record.Attempts == 1 {
				noted++
			}
		}
		mu.Lock()
		running--
		mu.Unlock()
		return noted, nil
	})
	g.settled()
	equal(t, most, 1)
	for _, id := range []string{"a", "b", "c", "d"} {
		equal(t, string(g.row(id).Result), "1")
	}
}

func TestAHandlerThatEndsItsGoroutineTakesNoSlotWithIt(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["concurrency"] = 1
	g.apply()
	serve(t, g.config("m"), func(_ context.Context, _ map[string]any, d *Delivery) (any, error) {
		if d.EventID == "gone" {
			runtime.Goexit()
		}
		return nil, nil
	})
	g.publish("gone", order("a", 1))
	g.publish("next", order("a", 1))
	eventually(t, "the next to be done", g.done("next"))
}

func TestAHandlerThatBlocksAfterManyQuickOnesHoldsUpNobody(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["ledger"], g.spec["concurrency"] = "none", 20
	g.apply()
	release, blocked := make(chan struct{}), make(chan struct{}, 20)
	defer close(release)
	w := serve(t, g.config("m"), func(_ context.Context, order map[string]any, _ *Delivery) (any, error) {
		if order["amount"] == 2.0 {
			blocked <- struct{}{}
			<-release
		}
		return nil, nil
	})
	for range 300 {
		g.publish("quick", order("a", 1))
	}
	g.settled()
	slots, _ := w.mode.Load().intake.(*slots)
	slots.mu.Lock()
	slots.quick = quickEnough
	slots.mu.Unlock()
	for range 20 {
		g.publish("slow", order("a", 2))
	}
	eventually(t, "all to run at once", func() bool { return len(blocked) == 20 })
}
