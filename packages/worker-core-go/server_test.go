package muster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

var shared *server

func TestMain(m *testing.M) {
	code := func() int {
		dir, err := os.MkdirTemp("", "muster-go-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		shared, err = startServer(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer shared.kill()
		defer func() {
			if isDatabaseStarted.Load() {
				if db, err := sharedDatabase(); err == nil {
					db.kill()
				}
			}
		}()
		return m.Run()
	}()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// server is a real nats-server on a free port.
type server struct {
	binary, dir, url string
	port             int
	cmd              *exec.Cmd
}

func startServer(dir string) (*server, error) {
	binary, err := filepath.Abs("../../.muster/bin/nats-server")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(binary); err != nil {
		if binary, err = exec.LookPath("nats-server"); err != nil {
			return nil, fmt.Errorf("no nats-server on the PATH or in .muster/bin; ./muster doctor tools says how to get it")
		}
	}
	port := freePort()
	s := &server{binary: binary, dir: dir, port: port, url: fmt.Sprintf("nats://127.0.0.1:%d", port)}
	return s, s.start()
}

func freePort() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

func (s *server) start() error {
	s.cmd = exec.Command(s.binary, "-a", "127.0.0.1", "-p", fmt.Sprint(s.port), "-js", "-sd", s.dir)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for range 200 {
		nc, err := nats.Connect(s.url)
		if err == nil {
			js, _ := jetstream.New(nc)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_, err = js.AccountInfo(ctx)
			cancel()
			nc.Close()
		}
		if err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.kill()
	return fmt.Errorf("nats-server on port %d does not answer", s.port)
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func ownServer(t *testing.T) *server {
	t.Helper()
	s, err := startServer(t.TempDir())
	must(t, err)
	t.Cleanup(func() { s.kill() })
	return s
}

var groups atomic.Int64

// group is a provisioned group on a stream of its own.
type group struct {
	t      testing.TB
	server *server
	nc     *nats.Conn
	js     jetstream.JetStream
	stream string
	name   string
	spec   map[string]any
}

// newGroup provisions all but the spec, which [group.apply] writes.
func newGroup(tb testing.TB, s *server) *group {
	tb.Helper()
	nc, err := nats.Connect(s.url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	must(tb, err)
	tb.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	must(tb, err)
	g := &group{t: tb, server: s, nc: nc, js: js, stream: fmt.Sprintf("ORDERS%d", groups.Add(1)), name: "billing"}
	g.spec = map[string]any{
		"v": 1, "stream": g.stream, "group": g.name, "contracts": []string{"order.v1"},
		"subjects": []string{g.subject("created")}, "ack_wait_ms": 1500, "concurrency": 4, "timeout_ms": 5000,
		"retry": map[string]any{"max_attempts": 3, "backoff_ms": []int{30}},
	}
	for _, bucket := range []string{groupsBucket, contractsBucket, membersBucket, attemptsBucket, ledgerBucket} {
		g.bucket(bucket)
	}
	schema, err := os.ReadFile(filepath.Join(contractsDir, "schemas", "order.v1.json"))
	must(tb, err)
	_, err = g.bucket(contractsBucket).Put(tb.Context(), "order.v1", schema)
	must(tb, err)
	g.provisionStream()
	return g
}

func (g *group) subject(event string) string { return "orders." + g.stream + "." + event }

func (g *group) bucket(name string) jetstream.KeyValue {
	g.t.Helper()
	kv, err := g.js.CreateOrUpdateKeyValue(g.t.Context(), jetstream.KeyValueConfig{Bucket: name})
	must(g.t, err)
	return kv
}

func (g *group) provisionStream() {
	g.t.Helper()
	ctx := g.t.Context()
	_, err := g.js.CreateStream(ctx, jetstream.StreamConfig{
		Name:      g.stream,
		Subjects:  []string{"orders." + g.stream + ".>", "muster.replay." + g.stream + ".>"},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
	})
	must(g.t, err)
	_, err = g.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: g.stream + "_DLQ", Subjects: []string{"muster.dlq." + g.stream + ".>"}})
	must(g.t, err)
	_, err = g.js.CreateConsumer(ctx, g.stream, g.consumerConfig(1500*time.Millisecond))
	must(g.t, err)
}

func (g *group) consumerConfig(ackWait time.Duration) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: g.name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1,
		FilterSubjects: []string{"orders." + g.stream + ".>", ReplaySubject(g.stream, g.name, ">")},
	}
}

// apply writes the spec.
func (g *group) apply() *group {
	g.t.Helper()
	_, err := g.bucket(groupsBucket).Put(g.t.Context(), GroupKey(g.stream, g.name), mustJSON(g.spec))
	must(g.t, err)
	return g
}

func (g *group) config(member string) Config {
	out := io.Discard
	if os.Getenv("MUSTER_TEST_LOG") != "" {
		out = os.Stderr
	}
	c := Config{
		Servers: []string{g.server.url}, Stream: g.stream, Group: g.name, Member: member,
		Heartbeat: 250 * time.Millisecond, Grace: 10 * time.Second, Version: "1.2.3", LogLevel: slog.LevelDebug,
	}
	c.Log = newLog(out, c)
	return c
}

type testHandler = func(ctx context.Context, order map[string]any, d *Delivery) (any, error)

// running is a worker that serves, and what Serve gave when it ended.
type running struct {
	*Worker
	ended chan error
}

// serve starts a worker that is drained when the test ends.
func serve(t *testing.T, config Config, handler testHandler) *running {
	t.Helper()
	return serveWorker(t, New(config, handler))
}

func serveBatch(t *testing.T, config Config, handler BatchHandler[map[string]any]) *running {
	t.Helper()
	return serveWorker(t, NewBatch(config, handler))
}

func serveWorker(t *testing.T, w *Worker) *running {
	t.Helper()
	r := &running{Worker: w, ended: make(chan error, 1)}
	go func() { r.ended <- w.Serve(context.Background()) }()
	t.Cleanup(func() {
		w.Drain()
		_ = r.wait(t)
	})
	return r
}

func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the worker does not end")
		return nil
	}
}

func order(id string, amount float64) []byte {
	return mustJSON(map[string]any{
		"id": id, "customer": "Ada", "amount": amount, "status": "pending", "created_at": "2026-01-02T03:04:05Z",
	})
}

// publish gives the sequence.
func (g *group) publish(eventID string, body []byte, headers ...string) uint64 {
	g.t.Helper()
	msg := &nats.Msg{Subject: g.subject("created"), Data: body, Header: nats.Header{"Muster-Event-Id": {eventID}}}
	for i := 0; i < len(headers); i += 2 {
		msg.Header[headers[i]] = append(msg.Header[headers[i]], headers[i+1])
	}
	ack, err := g.js.PublishMsg(g.t.Context(), msg)
	must(g.t, err)
	return ack.Sequence
}

// row is the event's ledger row, nil where there is none.
func (g *group) row(eventID string) *ledgerRow {
	entry, err := g.bucket(ledgerBucket).Get(g.t.Context(), LedgerKey(g.stream, g.name, eventID))
	if err != nil {
		return nil
	}
	row := &ledgerRow{}
	must(g.t, json.Unmarshal(entry.Value(), row))
	return row
}

func (g *group) done(eventID string) func() bool {
	return func() bool {
		row := g.row(eventID)
		return row != nil && row.Status == statusDone
	}
}

// deadLetters are those of the group, oldest first.
func (g *group) deadLetters() []*jetstream.RawStreamMsg {
	g.t.Helper()
	stream, err := g.js.Stream(g.t.Context(), g.stream+"_DLQ")
	must(g.t, err)
	var letters []*jetstream.RawStreamMsg
	for seq := range stream.CachedInfo().State.LastSeq {
		letter, err := stream.GetMsg(g.t.Context(), seq+1)
		must(g.t, err)
		letters = append(letters, letter)
	}
	return letters
}

func (g *group) deadLetter() *jetstream.RawStreamMsg {
	g.t.Helper()
	eventually(g.t, "a dead letter", func() bool { return len(g.deadLetters()) > 0 })
	letters := g.deadLetters()
	if len(letters) != 1 {
		g.t.Fatalf("%d dead letters", len(letters))
	}
	return letters[0]
}

// settled waits until the stream is empty: every message was acked or termed.
func (g *group) settled() {
	g.t.Helper()
	eventually(g.t, "an empty stream", func() bool { return g.messages() == 0 })
}

func (g *group) messages() uint64 {
	g.t.Helper()
	stream, err := g.js.Stream(g.t.Context(), g.stream)
	must(g.t, err)
	return stream.CachedInfo().State.Msgs
}

func (g *group) record(seq uint64) *attemptsRecord {
	entry, err := g.bucket(attemptsBucket).Get(g.t.Context(), AttemptsKey(g.stream, g.name, seq))
	if err != nil {
		return nil
	}
	record := &attemptsRecord{}
	must(g.t, json.Unmarshal(entry.Value(), record))
	return record
}

func (g *group) member(id string) *memberRecord {
	entry, err := g.bucket(membersBucket).Get(g.t.Context(), MemberKey(g.stream, g.name, id))
	if err != nil {
		return nil
	}
	record := &memberRecord{}
	must(g.t, json.Unmarshal(entry.Value(), record))
	return record
}

func eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	until := time.Now().Add(15 * time.Second)
	for !is() {
		if time.Now().After(until) {
			tb.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
