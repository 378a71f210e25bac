package muster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestWithLedgerNoneEverythingElseStaysTheSame(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["ledger"] = "none"
	g.apply()
	var calls sync.Map
	serve(t, g.config("m"), func(_ context.Context, _ map[string]any, d *Delivery) (any, error) {
		n, _ := calls.LoadOrStore(d.EventID, new(atomic.Int32))
		n.(*atomic.Int32).Add(1)
		switch {
		case d.EventID == "bad":
			return nil, Permanent("no")
		case d.EventID == "later" && d.Attempt == 1:
			return nil, errors.New("not yet")
		}
		return nil, nil
	})
	for _, id := range []string{"good", "good", "bad", "later"} {
		g.publish(id, order(id, 1))
	}
	g.settled()
	told := map[string]int32{}
	calls.Range(func(id, n any) bool { told[id.(string)] = n.(*atomic.Int32).Load(); return true })
	equal(t, told, map[string]int32{"good": 2, "bad": 1, "later": 2})
	equal(t, []any{Header(g.deadLetter().Header).Get("Muster-Dlq-Reason"), g.row("good") == nil, g.row("bad") == nil}, []any{"permanent", true, true})
}

func TestABatchHandlerGivesAnOutcomeForEachMessage(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["concurrency"] = 10
	g.spec["delivery"] = map[string]any{"mode": "batch", "size": 5, "wait_ms": 300}
	g.apply()
	var sizes []int
	var mu sync.Mutex
	for i := range 10 {
		g.publish(fmt.Sprint(i), order("a", float64(i)))
	}
	serveBatch(t, g.config("m"), func(_ context.Context, messages []BatchMessage[map[string]any], _ *Batch) ([]Outcome, error) {
		mu.Lock()
		sizes = append(sizes, len(messages))
		mu.Unlock()
		outcomes := make([]Outcome, len(messages))
		for i, m := range messages {
			switch {
			case m.Value["amount"] == 3.0:
				outcomes[i].Err = Permanent("not three")
			case m.Value["amount"] == 4.0 && m.Attempt == 1:
				outcomes[i].Err = Retryable("four later")
			default:
				outcomes[i].Result = m.Value["amount"]
			}
		}
		return outcomes, nil
	})
	g.settled()
	for i := range 10 {
		want := `done ` + fmt.Sprint(i)
		if i == 3 {
			want = "dead "
		}
		row := g.row(fmt.Sprint(i))
		equal(t, row.Status+" "+string(row.Result), want)
	}
	mu.Lock()
	defer mu.Unlock()
	// The one that came again waits alone.
	equal(t, []any{slices.Max(sizes), slices.Contains(sizes, 1)}, []any{5, true})
}

func TestWhatABatchReturnsAsAWholeIsTheOutcomeOfAll(t *testing.T) {
	t.Parallel()
	equal(t, outcomesOf(nil, nil, 2), make([]Outcome, 2))
	boom := errors.New("boom")
	equal(t, outcomesOf([]Outcome{{}, {}}, boom, 2), []Outcome{{Err: boom}, {Err: boom}})
	equal(t, outcomesOf([]Outcome{{}}, nil, 2)[1].Err.Error(), "batch handler returned 1 outcomes for 2 messages")
	for _, c := range [][4]int{{100, 10, 10, 1}, {5, 10, 5, 2}, {3, 10, 3, 3}, {1, 1, 1, 1}} {
		size, loops := batchShape(c[0], c[1])
		equal(t, []int{size, loops}, []int{c[2], c[3]})
	}
}

func TestABatchThatMissesItsDeadlineHasFailedOnce(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["timeout_ms"] = 100
	g.spec["retry"] = map[string]any{"max_attempts": 1, "backoff_ms": []int{10}}
	g.spec["delivery"] = map[string]any{"mode": "batch", "size": 4, "wait_ms": 200}
	g.apply()
	for i := range 4 {
		g.publish(fmt.Sprint(i), order("a", 1))
	}
	serveBatch(t, g.config("m"), func(ctx context.Context, _ []BatchMessage[map[string]any], _ *Batch) ([]Outcome, error) {
		<-ctx.Done()
		return nil, nil
	})
	g.settled()
	for _, letter := range g.deadLetters() {
		header := Header(letter.Header)
		equal(t, []string{header.Get("Muster-Dlq-Error-Class"), header.Get("Muster-Dlq-Attempts")}, []string{"DeadlineExceeded", "1"})
	}
	equal(t, len(g.deadLetters()), 4)
}

func (g *group) pushConsumer() {
	g.t.Helper()
	must(g.t, g.js.DeleteConsumer(g.t.Context(), g.stream, g.name))
	js, err := g.nc.JetStream()
	must(g.t, err)
	_, err = js.AddConsumer(g.stream, &nats.ConsumerConfig{
		Durable: g.name, AckPolicy: nats.AckExplicitPolicy, AckWait: 1500 * time.Millisecond, MaxDeliver: -1, MaxAckPending: 20,
		DeliverSubject: PushSubject(g.stream, g.name), DeliverGroup: g.name,
		FilterSubjects: []string{"orders." + g.stream + ".>", ReplaySubject(g.stream, g.name, ">")},
	})
	must(g.t, err)
}

func TestAPushGroupIsPausedByItsSubscription(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["delivery"] = map[string]any{"mode": "push"}
	g.spec["max_ack_pending"] = 20
	g.pushConsumer()
	g.apply()
	var calls atomic.Int32
	serve(t, g.config("m"), func(context.Context, map[string]any, *Delivery) (any, error) { calls.Add(1); return nil, nil })
	for i := range 100 {
		g.publish(fmt.Sprint(i), order("a", 1))
	}
	g.settled()
	equal(t, []any{calls.Load(), g.member("m").Delivery}, []any{int32(100), "push"})
	g.spec["paused"] = true
	g.apply()
	eventually(t, "the pause", func() bool { return g.member("m").State == "paused" })
	g.publish("later", order("a", 1))
	revision := g.member("m").Held
	equal(t, revision, 0)
	g.spec["paused"] = false
	g.apply()
	g.settled()
}

func newQueueGroup(t *testing.T, name string) *group {
	t.Helper()
	g := newGroup(t, shared)
	_, err := g.js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "core_DLQ", Subjects: []string{"muster.dlq.core.>"}})
	must(t, err)
	g.spec["subjects"] = []string{"core." + g.stream + ".>"}
	g.stream, g.name = "core", name
	g.spec["stream"], g.spec["group"], g.spec["ledger"] = "core", name, "none"
	g.spec["delivery"] = map[string]any{"mode": "queue"}
	return g
}

// letters of a queue group: the stream is that of all.
func (g *group) queueLetters() map[string]string {
	g.t.Helper()
	told := map[string]string{}
	for _, letter := range g.deadLetters() {
		if header := Header(letter.Header); header.Get("Muster-Dlq-Group") == g.name {
			told[header.Get("Muster-Dlq-Event-Id")] = strings.Join([]string{
				header.Get("Muster-Dlq-Reason"), header.Get("Muster-Dlq-Error-Class"), header.Get("Muster-Dlq-Attempts"), header.Get("Muster-Dlq-Seq"),
			}, " ")
		}
	}
	return told
}

func TestAQueueGroupDeadLettersAtOnce(t *testing.T) {
	t.Parallel()
	g := newQueueGroup(t, "q1")
	g.spec["timeout_ms"] = 200
	g.apply()
	subject := strings.TrimSuffix(g.spec["subjects"].([]string)[0], ">") + "created"
	w := serve(t, g.config("m"), func(ctx context.Context, _ map[string]any, d *Delivery) (any, error) {
		switch d.EventID {
		case "permanent":
			return nil, Permanent("no")
		case "snooze":
			return nil, Snooze(time.Second)
		case "error":
			return nil, errors.New("later")
		case "deadline":
			<-ctx.Done()
		case "result":
			return strings.Repeat("x", 9000), nil
		}
		return nil, nil
	})
	<-w.Joined()
	must(t, g.nc.Flush())
	eventually(t, "the member to listen", func() bool {
		_ = g.nc.PublishMsg(&nats.Msg{Subject: subject, Data: order("a", 1), Header: nats.Header{"Muster-Event-Id": {"good"}}})
		return g.member("m").Counts.Done > 0
	})
	for _, id := range []string{"permanent", "snooze", "error", "deadline", "result"} {
		must(t, g.nc.PublishMsg(&nats.Msg{Subject: subject, Data: order("a", 1), Header: nats.Header{"Muster-Event-Id": {id}}}))
	}
	must(t, g.nc.PublishMsg(&nats.Msg{Subject: subject, Data: []byte("{"), Header: nats.Header{"Muster-Event-Id": {"invalid"}}}))
	eventually(t, "six dead letters", func() bool { return len(g.queueLetters()) == 6 })
	equal(t, g.queueLetters(), map[string]string{
		"permanent": "permanent PermanentError 1 0", "snooze": "exhausted Snooze 1 0", "error": "exhausted Error 1 0",
		"deadline": "exhausted DeadlineExceeded 1 0", "result": "permanent InvalidResult 1 0", "invalid": "invalid InvalidMessage 0 0",
	})
	// A replay is a request to a live member.
	answer, err := g.nc.RequestMsg(&nats.Msg{
		Subject: MemberSubject("core", g.name, "m", "replay"), Data: order("a", 1),
		Header: nats.Header{"Muster-Event-Id": {"again"}, "Muster-Replay-Subject": {subject}},
	}, 5*time.Second)
	must(t, err)
	equal(t, string(answer.Data), `{"ok":true}`)
	done := g.member("m").Counts.Done
	eventually(t, "the replay to be done", func() bool { return g.member("m").Counts.Done > done || done > 1 })
}

func TestTheBreakerStopsThePullAndTriesAgain(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["breaker"] = map[string]any{"failure_share": 0.5, "min_attempts": 4, "window_ms": 10_000, "pause_ms": 700}
	g.spec["concurrency"] = 4
	g.apply()
	var isDown atomic.Bool
	isDown.Store(true)
	told := make(chan string, 20)
	config := g.config("m")
	config.Events = Events{Degraded: func(err error) { told <- err.Error() }, Recovered: func() { told <- "recovered" }}
	serve(t, config, func(context.Context, map[string]any, *Delivery) (any, error) {
		if isDown.Load() {
			return nil, Retryable("down", time.Millisecond)
		}
		return nil, nil
	})
	for i := range 4 {
		g.publish(fmt.Sprint(i), order("a", 1))
	}
	equal(t, <-told, "too many attempts fail")
	eventually(t, "the record to say so", func() bool { return g.member("m").Degraded })
	isDown.Store(false)
	equal(t, <-told, "recovered")
	g.settled()
}

func TestAfterThePauseTheBreakerIsTriedWithFewer(t *testing.T) {
	t.Parallel()
	limits := &SpecBreaker{FailureShare: 0.5, MinAttempts: 4, WindowMs: 10_000, PauseMs: 1}
	changes := make(chan bool, 10)
	b := &breaker{limits: func() *SpecBreaker { return limits }, concurrency: func() int { return 2 }, onChange: func(isOpen bool) { changes <- isOpen }}
	for _, failed := range []bool{false, true, true} {
		b.attemptEnded(failed)
	}
	equal(t, b.isOpen(), false)
	b.attemptEnded(true)
	equal(t, []bool{<-changes, <-changes}, []bool{true, false})
	equal(t, []bool{b.isOpen(), b.isTrying()}, []bool{false, true})
	b.attemptEnded(true)
	b.attemptEnded(false)
	equal(t, []bool{<-changes, <-changes}, []bool{true, false})
	b.attemptEnded(false)
	b.attemptEnded(false)
	equal(t, []bool{b.isOpen(), b.isTrying()}, []bool{false, false})
}

func TestAPullThatHasGoneSilentIsMadeAgain(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	config := g.config("m")
	config.StallAfter = 300 * time.Millisecond
	stalled := make(chan struct{}, 1)
	config.Events.Stalled = func() { signal(stalled) }
	w := serve(t, config, nothingToDo)
	<-w.Joined()
	eventually(t, "a pull", func() bool { m := w.mode.Load(); return m != nil && m.pull.outstanding() > 0 })
	// The requests reach nobody any more, and nobody says so.
	pull := w.mode.Load().pull
	pull.mu.Lock()
	for _, lane := range pull.lanes {
		must(t, lane.sub.Unsubscribe())
	}
	pull.mu.Unlock()
	// The server must know before the message comes: what it sent nobody would be in flight, not waiting.
	must(t, w.base.conn.nc.Flush())
	// Requests without a listener are dropped by the server; those that were there first are not.
	g.publish("a", order("a", 1))
	<-stalled
	g.settled()
}

func get(t *testing.T, port int, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
	must(t, err)
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	http.DefaultClient.CloseIdleConnections()
	return answer.StatusCode, string(body)
}

func TestMetricsAndHealthAreServedFromTheStart(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["timeout_ms"] = 50
	g.spec["concurrency"] = 1
	g.spec["retry"] = map[string]any{"max_attempts": 1, "backoff_ms": []int{10}}
	config := g.config("m")
	anyPort := 0
	config.HTTPPort = &anyPort
	release := make(chan struct{})
	w := serve(t, config, func(_ context.Context, _ map[string]any, d *Delivery) (any, error) {
		if d.EventID == "stuck" {
			<-release
		}
		return nil, nil
	})
	<-w.Joined()
	port := w.HTTPPort()
	status, body := get(t, port, "/readyz")
	equal(t, []any{status, strings.Contains(body, "no spec")}, []any{503, true})
	_, body = get(t, port, "/metrics")
	for _, line := range []string{
		`muster_deliveries_total{group="billing",language="go",member="m",outcome="lost",stream="` + g.stream + `"} 0`,
		`muster_dead_letters_total{group="billing",language="go",member="m",reason="crash_loop",stream="` + g.stream + `"} 0`,
		`muster_spec_revision{group="billing",language="go",member="m",stream="` + g.stream + `"} 0`,
	} {
		if !strings.Contains(body, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	g.apply()
	eventually(t, "it to be ready", func() bool { status, _ := get(t, port, "/readyz"); return status == 200 })
	g.publish("good", order("a", 1))
	g.settled()
	_, body = get(t, port, "/metrics")
	equal(t, regexp.MustCompile(`muster_deliveries_total\{[^}]*outcome="done"[^}]*\} 1`).MatchString(body), true)
	equal(t, regexp.MustCompile(`muster_settle_seconds_bucket\{[^}]*le="0.005"`).MatchString(body), true)
	g.publish("stuck", order("a", 1))
	eventually(t, "all slots to be past their deadline", func() bool {
		status, body := get(t, port, "/livez")
		return status == 503 && strings.Contains(body, "all 1 slots")
	})
	close(release)
	eventually(t, "it to live", func() bool { status, _ := get(t, port, "/livez"); return status == 200 })
	status, _ = get(t, port, "/else")
	equal(t, status, 404)
	other := g.config("n")
	other.HTTPPort = &port
	equal(t, HasCode(New(other, nothingToDo).Serve(t.Context()), CodeCannotListen), true)
}

func TestEventsTellWhatHappens(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	told := make(chan string, 20)
	say := func(text string) func() { return func() { told <- text } }
	config := g.config("m")
	config.Events = Events{
		Joined: say("joined"), Left: say("left"), Paused: say("paused"), Resumed: say("resumed"),
		Spec: func(spec Spec) { told <- fmt.Sprint("spec ", spec.Concurrency) },
		Settled: func(s Settled) {
			told <- fmt.Sprint(s.Outcome, " ", s.EventID, " ", s.Attempt)
			panic("a listener's fault")
		},
	}
	w := serve(t, config, nothingToDo)
	equal(t, []string{<-told, <-told}, []string{"spec 4", "joined"})
	g.publish("a", order("a", 1))
	equal(t, <-told, "done a 1")
	g.spec["paused"] = true
	g.apply()
	equal(t, []string{<-told, <-told}, []string{"spec 4", "paused"})
	g.spec["paused"] = false
	g.apply()
	equal(t, []string{<-told, <-told}, []string{"spec 4", "resumed"})
	w.Drain()
	must(t, w.wait(t))
	equal(t, <-told, "left")
}

func TestASpecThatCannotBeWorkedByIsSaidOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		spec   Spec
		config Config
		why    string
	}{
		{Spec{Delivery: SpecDelivery{Mode: "pull"}}, Config{Stream: "core"}, "MUSTER_STREAM core is for delivery mode queue"},
		{Spec{Delivery: SpecDelivery{Mode: "push"}}, Config{APIPrefix: "X"}, "a push group receives nothing across accounts"},
		{Spec{Ledger: "postgres"}, Config{APIPrefix: defaultPrefix}, "ledger postgres needs DATABASE_URL"},
	} {
		if why := whyUnsupported(&c.spec, c.config); !strings.HasPrefix(why, c.why) {
			t.Errorf("got %q", why)
		}
	}
	g := newGroup(t, shared)
	g.spec["ledger"] = "postgres"
	g.apply()
	w := serve(t, g.config("m"), nothingToDo)
	<-w.Joined()
	equal(t, g.member("m").State, "starting")
	// A newer spec suits it.
	g.spec["ledger"] = "none"
	g.apply()
	g.publish("a", order("a", 1))
	g.settled()
}
