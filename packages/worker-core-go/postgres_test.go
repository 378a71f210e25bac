package muster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// database is a Postgres of the tests' own.
type database struct {
	bin, data, url string
	port           int
	as             *syscall.Credential
	cmd            *exec.Cmd
}

// sharedDatabase is started by the first test that needs it.
var sharedDatabase = sync.OnceValues(func() (*database, error) { return startDatabase(filepath.Join(shared.dir, "postgres")) })

func testDatabase(t *testing.T) *database {
	t.Helper()
	if findPostgres() == "" && os.Getenv("CI") == "" {
		t.Skip("no PostgreSQL on this machine")
	}
	isDatabaseStarted.Store(true)
	db, err := sharedDatabase()
	must(t, err)
	return db
}

var isDatabaseStarted atomic.Bool

func startDatabase(dir string) (*database, error) {
	db := &database{bin: findPostgres(), data: filepath.Join(dir, "data"), port: freePort()}
	db.url = fmt.Sprintf("postgres://muster@127.0.0.1:%d/muster", db.port)
	if err := errors.Join(os.MkdirAll(dir, 0o755), db.unprivileged(dir)); err != nil {
		return nil, err
	}
	out, err := db.command("initdb", "-D", db.data, "-U", "muster", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	if err := db.start(); err != nil {
		return nil, err
	}
	out, err = db.command("createdb", "-h", "127.0.0.1", "-p", strconv.Itoa(db.port), "-U", "muster", "muster").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("createdb: %w: %s", err, out)
	}
	return db, nil
}

// unprivileged: Postgres refuses to run as root.
func (db *database) unprivileged(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	db.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	// The folder of the tests is the user's alone.
	return errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chown(dir, uid, gid))
}

func (db *database) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(db.bin, program), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: db.as}
	return cmd
}

func (db *database) start() error {
	db.cmd = db.command("postgres", "-D", db.data, "-p", strconv.Itoa(db.port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "shared_buffers=32MB")
	var said bytes.Buffer
	db.cmd.Stderr = &said
	if err := db.cmd.Start(); err != nil {
		return err
	}
	for range 500 {
		conn, err := pgx.Connect(context.Background(), strings.TrimSuffix(db.url, "muster")+"postgres")
		if err == nil {
			_ = conn.Close(context.Background())
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("postgres does not answer: %s", said.String())
}

func (db *database) kill() {
	_ = db.cmd.Process.Signal(syscall.SIGQUIT)
	_ = db.cmd.Wait()
}

// exec runs SQL as the owner and gives the first column of the first row as text.
func (db *database) exec(tb testing.TB, sql string, args ...any) string {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), db.url)
	must(tb, err)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(tb.Context(), sql, args...)
	must(tb, err)
	defer rows.Close()
	if !rows.Next() {
		must(tb, rows.Err())
		return ""
	}
	values, err := rows.Values()
	must(tb, err)
	return fmt.Sprint(values[0])
}

func findPostgres() string {
	folders := []string{os.Getenv("MUSTER_POSTGRES_BIN")}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	folders = append(folders, debian...)
	if found, err := exec.LookPath("initdb"); err == nil {
		folders = append(folders, filepath.Dir(found))
	}
	at := slices.IndexFunc(folders, func(folder string) bool {
		_, err := os.Stat(filepath.Join(folder, "initdb"))
		return folder != "" && err == nil
	})
	if at < 0 {
		return ""
	}
	return folders[at]
}

// newPostgresGroup is a group with ledger postgres, and a table for effects.
func newPostgresGroup(t *testing.T, db *database) (*group, Config) {
	t.Helper()
	g := newGroup(t, shared)
	g.spec["ledger"] = "postgres"
	config := g.config("m")
	config.DatabaseURL = db.url
	// Two tests at once: "if not exists" does not keep them from making it both.
	db.exec(t, `do $$ begin
		perform pg_advisory_xact_lock(4711);
		create table if not exists effects (stream text, event_id text, member text);
	end $$`)
	return g, config
}

func (g *group) effects(db *database, eventID string) string {
	return db.exec(g.t, "select count(*) from effects where stream = $1 and event_id = $2", g.stream, eventID)
}

// effect is a handler that notes its effect in its transaction.
func (g *group) effect(ctx context.Context, d *Delivery) error {
	_, err := d.Tx.Exec(ctx, "insert into effects values ($1, $2, $3)", g.stream, d.EventID, "m")
	return err
}

func (g *group) pgStatus(db *database, eventID string) string {
	return db.exec(g.t, "select status from muster_ledger where stream = $1 and event_hash = $2", g.stream, sha256Hex([]byte(eventID)))
}

func TestTheMigrationsAreTheContracts(t *testing.T) {
	t.Parallel()
	known, err := readMigrations()
	must(t, err)
	files, err := filepath.Glob(contractsDir + "/migrations/*.sql")
	must(t, err)
	equal(t, len(known), len(files))
	for i, file := range files {
		sql, err := os.ReadFile(file)
		must(t, err)
		equal(t, known[i], migration{filepath.Base(file), string(sql), sha256Hex(sql)})
	}
}

func TestAnEffectAndItsRowAreThereOrNeitherIs(t *testing.T) {
	t.Parallel()
	db := testDatabase(t)
	g, config := newPostgresGroup(t, db)
	g.apply()
	serve(t, config, func(ctx context.Context, _ map[string]any, d *Delivery) (any, error) {
		if err := g.effect(ctx, d); err != nil {
			return nil, err
		}
		switch {
		case d.EventID == "bad":
			return nil, Permanent("no")
		case d.EventID == "later" && d.Attempt == 1:
			return nil, errors.New("not yet")
		}
		return "ü\u2028 <&>", nil
	})
	for _, id := range []string{"good", "bad", "later"} {
		g.publish(id, order(id, 1))
	}
	g.settled()
	for id, want := range map[string]string{"good": "1 done", "bad": "0 dead", "later": "1 done"} {
		equal(t, id+" "+g.effects(db, id)+" "+g.pgStatus(db, id), id+" "+want)
	}
	result := db.exec(t, "select result from muster_ledger where stream = $1 and event_id = 'good'", g.stream)
	equal(t, result, `"\u00fc\u2028 <&>"`)
	// The same event again: its effect is undone, and the row knows the copy.
	g.publish("good", order("good", 1))
	g.settled()
	equal(t, g.effects(db, "good"), "1")
	equal(t, db.exec(t, "select cardinality(sequences) from muster_ledger where stream = $1 and event_id = 'good'", g.stream), "1")
}

func TestRowsOfMessagesThatEndTogetherAreWrittenTogether(t *testing.T) {
	t.Parallel()
	db := testDatabase(t)
	g, config := newPostgresGroup(t, db)
	g.spec["concurrency"] = 50
	g.apply()
	serve(t, config, func(context.Context, map[string]any, *Delivery) (any, error) { return nil, nil })
	for i := range 200 {
		// Twice the same event: the second one is a repeat.
		g.publish(strconv.Itoa(i/2), order("a", 1))
	}
	g.settled()
	equal(t, db.exec(t, "select count(*) from muster_ledger where stream = $1 and status = 'done'", g.stream), "100")
	equal(t, db.exec(t, "select sum(cardinality(sequences)) from muster_ledger where stream = $1", g.stream), "100")
}

func TestADeadRowIsOverwrittenByACorrectedMessage(t *testing.T) {
	t.Parallel()
	db := testDatabase(t)
	g, config := newPostgresGroup(t, db)
	g.apply()
	serve(t, config, func(ctx context.Context, order map[string]any, d *Delivery) (any, error) {
		if order["amount"] == -1.0 {
			return nil, Permanent("negative amount")
		}
		return nil, g.effect(ctx, d)
	})
	first := g.publish("a", order("a", -1))
	letter := g.deadLetter()
	g.settled()
	headers := map[string]string{}
	must(t, json.Unmarshal([]byte(db.exec(t, "select headers from muster_ledger where stream = $1", g.stream)), &headers))
	equal(t, headers, Header(letter.Header).last())
	g.publish("a", order("a", 1))
	g.settled()
	equal(t, []string{g.pgStatus(db, "a"), g.effects(db, "a")}, []string{"done", "1"})
	equal(t, db.exec(t, "select sequences[1] from muster_ledger where stream = $1", g.stream), strconv.FormatUint(first, 10))
}

func TestTheHandlerDoesNotEndTheTransaction(t *testing.T) {
	t.Parallel()
	db := testDatabase(t)
	g, config := newPostgresGroup(t, db)
	g.spec["retry"] = map[string]any{"max_attempts": 1, "backoff_ms": []int{10}}
	g.apply()
	var refused atomic.Int32
	serve(t, config, func(ctx context.Context, _ map[string]any, d *Delivery) (any, error) {
		if err := g.effect(ctx, d); err != nil {
			return nil, err
		}
		switch d.EventID {
		case "control":
			for _, sql := range []string{"commit", " ROLLBACK", "begin", "end", "rollback prepared 'x'"} {
				if _, err := d.Tx.Exec(ctx, sql); HasCode(err, CodeTransactionControl) {
					refused.Add(1)
				}
			}
		case "savepoint":
			for _, sql := range []string{"savepoint a", "insert into effects values ('x', 'x', 'x')", "rollback to a"} {
				if _, err := d.Tx.Exec(ctx, sql); err != nil {
					return nil, err
				}
			}
		case "hidden":
			_, err := d.Tx.Exec(ctx, "select 1; commit")
			return nil, err
		case "failed":
			_, _ = d.Tx.Exec(ctx, "select 1/0")
		case "open":
			_, err := d.Tx.Query(ctx, "select 1") //nolint:sqlclosecheck // That is its fault.
			return nil, err
		}
		return nil, nil
	})
	for _, id := range []string{"control", "savepoint", "hidden", "failed", "open"} {
		g.publish(id, order(id, 1))
	}
	g.settled()
	equal(t, refused.Load(), int32(5))
	told := map[string]string{}
	for _, letter := range g.deadLetters() {
		header := Header(letter.Header)
		told[header.Get("Muster-Dlq-Event-Id")] = header.Get("Muster-Dlq-Reason")
	}
	equal(t, told, map[string]string{"hidden": "exhausted", "failed": "exhausted", "open": "exhausted"})
	equal(t, []string{g.effects(db, "control"), g.effects(db, "savepoint"), g.effects(db, "failed"), g.effects(db, "open")}, []string{"1", "1", "0", "0"})
	equal(t, db.exec(t, "select count(*) from effects where stream = 'x'"), "0")
}

func TestADatabaseThatIsGoneCountsNoAttempt(t *testing.T) {
	t.Parallel()
	if findPostgres() == "" && os.Getenv("CI") == "" {
		t.Skip("no PostgreSQL on this machine")
	}
	dir, err := os.MkdirTemp(filepath.Dir(shared.dir), "muster-go-pg-") //nolint:usetesting // The server's user must reach it.
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	db, err := startDatabase(filepath.Join(dir, "postgres"))
	must(t, err)
	t.Cleanup(func() { db.kill() })
	g, config := newPostgresGroup(t, db)
	g.spec["ack_wait_ms"] = 60_000
	g.apply()
	w := serve(t, config, func(ctx context.Context, _ map[string]any, d *Delivery) (any, error) { return nil, g.effect(ctx, d) })
	g.publish("before", order("before", 1))
	g.settled()
	db.kill()
	seq := g.publish("a", order("a", 1))
	eventually(t, "the member to be degraded", func() bool { return g.member("m").Degraded })
	must(t, db.start())
	g.settled()
	equal(t, g.record(seq), (*attemptsRecord)(nil))
	equal(t, g.effects(db, "a"), "1")
	eventually(t, "the member to have recovered", func() bool { return !g.member("m").Degraded })
	w.Drain()
	must(t, w.wait(t))
}

func TestWithoutTheTablesItStaysStarting(t *testing.T) {
	t.Parallel()
	db := testDatabase(t)
	g, config := newPostgresGroup(t, db)
	g.apply()
	db.exec(t, "create database other")
	db.exec(t, "create role poor login")
	var log bytes.Buffer
	var mu sync.Mutex
	config.Log = newLog(&lockedWriter{w: &log, mu: &mu}, config)
	config.DatabaseURL = fmt.Sprintf("postgres://poor@127.0.0.1:%d/other", db.port)
	g.publish("a", order("a", 1))
	serve(t, config, func(context.Context, map[string]any, *Delivery) (any, error) { return nil, nil })
	eventually(t, "it to say so", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(log.String(), `"code":"ledger_schema"`)
	})
	equal(t, []any{g.member("m").State, g.messages()}, []any{"starting", uint64(1)})
	// Somebody applies them: it begins.
	owner, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://muster@127.0.0.1:%d/other", db.port))
	must(t, err)
	defer func() { _ = owner.Close(context.Background()) }()
	must(t, applyMigrations(t.Context(), owner))
	_, err = owner.Exec(t.Context(), "grant select, insert, update on all tables in schema public to poor")
	must(t, err)
	g.settled()
}

type lockedWriter struct {
	w  *bytes.Buffer
	mu *sync.Mutex
}

func (w *lockedWriter) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(data)
}

func TestABatchSharesItsTransaction(t *testing.T) {
	t.Parallel()
	db := testDatabase(t)
	g, config := newPostgresGroup(t, db)
	g.spec["concurrency"] = 10
	g.spec["delivery"] = map[string]any{"mode": "batch", "size": 10, "wait_ms": 500}
	g.apply()
	var rounds atomic.Int32
	serveBatch(t, config, func(ctx context.Context, messages []BatchMessage[map[string]any], b *Batch) ([]Outcome, error) {
		if len(messages) > 1 {
			rounds.Add(1)
		}
		outcomes := make([]Outcome, len(messages))
		for i, m := range messages {
			if m.Value["amount"] == -1.0 {
				outcomes[i].Err = Permanent("negative amount")
				continue
			}
			if _, err := b.Tx.Exec(ctx, "insert into effects values ($1, $2, 'm')", g.stream, m.EventID); err != nil {
				return nil, err
			}
		}
		return outcomes, nil
	})
	g.publish("done before", order("a", 1))
	g.settled()
	// One of ten is there already: all is undone, and done again without it.
	for _, id := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "done before"} {
		g.publish(id, order("a", 1))
	}
	g.publish("bad", order("a", -1))
	g.settled()
	equal(t, db.exec(t, "select count(*) from effects where stream = $1", g.stream), "9")
	equal(t, db.exec(t, "select count(*) from muster_ledger where stream = $1 and status = 'done'", g.stream), "9")
	equal(t, []any{g.pgStatus(db, "bad"), rounds.Load()}, []any{"dead", int32(2)})
}
