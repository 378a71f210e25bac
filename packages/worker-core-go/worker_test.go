package muster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func nothingToDo(context.Context, map[string]any, *Delivery) (any, error) { return nil, nil }

func TestADrainFinishesWhatRunsAndReturnsTheRest(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["concurrency"] = 2
	g.apply()
	started, release := make(chan string, 10), make(chan struct{})
	w := serve(t, g.config("m"), func(_ context.Context, _ map[string]any, d *Delivery) (any, error) {
		started <- d.EventID
		<-release
		return "first", nil
	})
	for i := range 6 {
		g.publish(fmt.Sprint(i), order(fmt.Sprint(i), 1))
	}
	ran := []string{<-started, <-started}
	_, err := g.nc.Request(MemberSubject(g.stream, g.name, "m", "drain"), nil, 5*time.Second)
	must(t, err)
	eventually(t, "the member to say that it drains", func() bool { r := g.member("m"); return r != nil && r.State == "draining" })
	serve(t, g.config("n"), func(context.Context, map[string]any, *Delivery) (any, error) { return "second", nil })
	// At once: far sooner than ack_wait would bring them.
	eventually(t, "the rest to be done elsewhere", func() bool { return g.messages() == 2 })
	close(release)
	must(t, w.wait(t))
	g.settled()
	for i := range 6 {
		id := fmt.Sprint(i)
		want := `"second"`
		if slices.Contains(ran, id) {
			want = `"first"`
		}
		equal(t, string(g.row(id).Result), want)
	}
	equal(t, g.member("m"), (*memberRecord)(nil))
}

func TestTheGraceEndsADrain(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	started := make(chan struct{})
	config := g.config("m")
	config.Grace = 50 * time.Millisecond
	w := serve(t, config, func(ctx context.Context, _ map[string]any, _ *Delivery) (any, error) {
		close(started)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	seq := g.publish("a", order("a", 1))
	<-started
	w.Drain()
	if err := w.wait(t); !HasCode(err, CodeForced) {
		t.Errorf("ended with %v", err)
	}
	// It failed because it was stopped, which is no attempt.
	equal(t, g.record(seq), (*attemptsRecord)(nil))
}

func TestItGoesOnAfterTheServerWasRestarted(t *testing.T) {
	t.Parallel()
	s := ownServer(t)
	g := newGroup(t, s).apply()
	var calls sync.Map
	hold := make(chan struct{})
	held := make(chan struct{})
	serve(t, g.config("m"), func(_ context.Context, order map[string]any, d *Delivery) (any, error) {
		calls.Store(d.EventID, true)
		if d.EventID == "held" && d.Attempt == 1 {
			close(held)
			<-hold
		}
		return nil, nil
	})
	g.publish("held", order("held", 1))
	<-held
	s.kill()
	close(hold)
	must(t, s.start())
	eventually(t, "the publisher to be back", g.nc.IsConnected)
	for i := range 20 {
		g.publish(fmt.Sprint(i), order(fmt.Sprint(i), 1))
	}
	g.settled()
	equal(t, g.row("held").Status, "done")
	eventually(t, "the member to beat", func() bool { r := g.member("m"); return r != nil && r.Counts.Done >= 20 })
}

func TestAServerThatIsDownAtStartIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := ownServer(t)
	g := newGroup(t, s).apply()
	g.publish("a", order("a", 1))
	s.kill()
	w := serve(t, g.config("m"), nothingToDo)
	select {
	case err := <-w.ended:
		t.Fatalf("ended with %v", err)
	case <-w.Joined():
		t.Fatal("joined nothing")
	case <-time.After(100 * time.Millisecond):
	}
	must(t, s.start())
	g.settled()
}

func TestASpecThatIsMissingIsWaitedFor(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	w := serve(t, g.config("m"), nothingToDo)
	<-w.Joined()
	equal(t, g.member("m").State, "starting")
	g.publish("a", order("a", 1))
	eventually(t, "two beats", func() bool { return g.member("m").SpecRevision == 0 && g.messages() == 1 })
	g.apply()
	g.settled()

	must(t, g.bucket(groupsBucket).Delete(t.Context(), GroupKey(g.stream, g.name)))
	eventually(t, "the spec to be missed", func() bool { return g.member("m").State == "starting" })
	g.apply()
	g.publish("b", order("b", 1))
	g.settled()
}

func TestAPauseAppliesLiveAndABadSpecDoesNot(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["paused"] = true
	g.apply()
	w := serve(t, g.config("m"), nothingToDo)
	<-w.Joined()
	g.publish("a", order("a", 1))
	eventually(t, "the pause", func() bool { return g.member("m").State == "paused" })
	equal(t, g.messages(), uint64(1))
	good := g.member("m").SpecRevision
	g.spec["concurrency"] = 0
	g.spec["paused"] = false
	g.apply()
	g.spec["concurrency"] = 3
	g.spec["ledger"] = "postgres"
	g.apply()
	g.settled()
	eventually(t, "the record", func() bool { return g.member("m").SpecRevision > good })
	equal(t, g.member("m").Concurrency, 3)
	equal(t, g.member("m").RestartNeeded, []string{"ledger"})
}

func TestALedgerThatIsGoneDegradesTheMember(t *testing.T) {
	t.Parallel()
	g := newGroup(t, ownServer(t))
	g.spec["ack_wait_ms"] = 60_000
	g.apply()
	w := serve(t, g.config("m"), nothingToDo)
	<-w.Joined()
	must(t, g.js.DeleteKeyValue(t.Context(), ledgerBucket))
	seq := g.publish("a", order("a", 1))
	eventually(t, "the member to be degraded", func() bool { return g.member("m").Degraded })
	g.bucket(ledgerBucket)
	g.settled()
	equal(t, g.member("m").Degraded, false)
	equal(t, g.record(seq), (*attemptsRecord)(nil))
	equal(t, g.row("a").Status, "done")
}

func TestAnIDInUseIsRefused(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	first := serve(t, g.config("m"), nothingToDo)
	<-first.Joined()
	second := serve(t, g.config("m"), nothingToDo)
	if err := second.wait(t); !HasCode(err, CodeIDTaken) {
		t.Errorf("ended with %v", err)
	}
	if g.member("m") == nil {
		t.Error("the first one's record is gone")
	}
}

func TestAnIDThatWasLeftBehindIsTakenOver(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	_, err := g.bucket(membersBucket).Put(t.Context(), MemberKey(g.stream, g.name, "m"), []byte(`{"instance":"dead"}`))
	must(t, err)
	<-serve(t, g.config("m"), nothingToDo).Joined()
	if g.member("m").Instance == "dead" {
		t.Error("not taken over")
	}
}

func TestTheMemberRecordMatchesItsSchema(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile(contractsDir + "/schemas/member-record.json")
	must(t, err)
	v, err := newVerdict("member-record", schema)
	must(t, err)
	g := newGroup(t, shared).apply()
	started, release := make(chan struct{}), make(chan struct{})
	w := serve(t, g.config("m"), func(_ context.Context, _ map[string]any, d *Delivery) (any, error) {
		if d.EventID == "b" {
			close(started)
			<-release
		}
		return nil, nil
	})
	defer close(release)
	<-w.Joined()
	g.publish("a", order("a", 1))
	g.settled()
	g.publish("b", order("b", 1))
	<-started
	eventually(t, "the message in hand", func() bool { r := g.member("m"); return r != nil && r.Oldest != nil && r.InFlight == 1 })
	entry, err := g.bucket(membersBucket).Get(t.Context(), MemberKey(g.stream, g.name, "m"))
	must(t, err)
	_, _, text := v.judge(entry.Value())
	equal(t, text, "")
}

func TestItHoldsTwiceItsConcurrencyAtMost(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared)
	g.spec["concurrency"] = 3
	g.apply()
	for i := range 40 {
		g.publish(fmt.Sprint(i), order(fmt.Sprint(i), 1))
	}
	var running atomic.Int32
	worker, three := make(chan *Worker, 1), make(chan struct{})
	w := serve(t, g.config("m"), func(context.Context, map[string]any, *Delivery) (any, error) {
		switch n := running.Add(1); {
		case n == 3:
			close(three)
		case n > 3:
			select {
			case <-three:
			default:
				t.Errorf("%d at once", n)
			}
		}
		<-three
		w := <-worker
		worker <- w
		if held := w.base.hold.len(); held > 6 {
			t.Errorf("%d in hand", held)
		}
		return nil, nil
	})
	worker <- w.Worker
	g.settled()
}

func TestBadVariablesAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	env := map[string]string{"NATS_URL": "http://user:secret@x", "MUSTER_STREAM": "a.b", "MUSTER_HEARTBEAT_MS": "10", "LOG_LEVEL": "loud", "WORKER_ID": "a b"}
	var stderr bytes.Buffer
	code := run(func(name string) string { return env[name] }, &stderr, nil, nil)
	equal(t, code, exitBadConfig)
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	equal(t, len(lines), 6)
	if strings.Contains(stderr.String(), "secret") {
		t.Error("a password is shown")
	}
}

func TestTheFirstSignalDrainsTheSecondForces(t *testing.T) {
	t.Parallel()
	g := newGroup(t, shared).apply()
	for _, forced := range []bool{false, true} {
		signals := make(chan os.Signal, 2)
		started := make(chan struct{})
		code := make(chan int, 1)
		env := map[string]string{"NATS_URL": g.server.url, "MUSTER_STREAM": g.stream, "MUSTER_GROUP": g.name, "WORKER_ID": fmt.Sprint("m-", forced)}
		release := make(chan struct{})
		go func() {
			code <- run(func(name string) string { return env[name] }, &bytes.Buffer{}, signals, func(c Config) *Worker {
				c.Log = g.config("m").Log
				return New(c, func(ctx context.Context, _ map[string]any, _ *Delivery) (any, error) {
					close(started)
					select {
					case <-ctx.Done():
					case <-release:
					}
					return nil, ctx.Err()
				})
			})
		}()
		g.publish(fmt.Sprint(forced), order("a", 1))
		<-started
		signals <- os.Interrupt
		if forced {
			signals <- os.Interrupt
			equal(t, <-code, exitForced)
		} else {
			close(release)
			equal(t, <-code, exitClean)
		}
	}
}

func TestLogLinesHaveTheProtocolsFields(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	newLog(&out, Config{Stream: "S", Group: "g", Member: "m"}).Warn("dead letter", "seq", 7)
	var line map[string]any
	must(t, json.Unmarshal(out.Bytes(), &line))
	if _, err := time.Parse(timeFormat, line["time"].(string)); err != nil {
		t.Error(err)
	}
	delete(line, "time")
	equal(t, line, map[string]any{"level": "warn", "msg": "dead letter", "stream": "S", "group": "g", "member": "m", "language": "go", "seq": 7.0})
}
