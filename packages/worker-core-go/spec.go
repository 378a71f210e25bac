package muster

import (
	"context"
	_ "embed" // for the schema
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
)

// specMisses is how many polls in a row find no spec until it counts as gone.
const specMisses = 3

// specSchema is a copy of packages/contracts/schemas/group-spec.json, because a Go module can only
// embed what it holds; `./muster generate` makes it.
//
//go:embed group-spec.json
var specSchema []byte

var specVerdict = sync.OnceValues(func() (*verdict, error) { return newVerdict("group-spec", specSchema) })

// The delivery modes and ledgers of the protocol, and the stream token of core NATS queue groups.
const (
	modePull       = "pull"
	modeBatch      = "batch"
	modePush       = "push"
	modeQueue      = "queue"
	ledgerNone     = "none"
	ledgerKV       = "kv"
	ledgerPostgres = "postgres"
	coreStream     = "core"
)

// Spec is the desired state of the group, as far as a member needs it.
type Spec struct {
	Stream    string   `json:"stream"`
	Group     string   `json:"group"`
	Contracts []string `json:"contracts"`
	// Subjects the group takes, filters among them.
	Subjects []string     `json:"subjects"`
	Delivery SpecDelivery `json:"delivery"`
	Ledger   string       `json:"ledger"`
	// AckWaitMs is how long a message is a member's own after its last extension.
	AckWaitMs int64 `json:"ack_wait_ms"`
	// MaxAckPending bounds what the whole group has in flight or backing off.
	MaxAckPending int `json:"max_ack_pending"`
	// Concurrency is how many handlers a member runs at once.
	Concurrency int `json:"concurrency"`
	// TimeoutMs is the deadline of a handler.
	TimeoutMs int64     `json:"timeout_ms"`
	Retry     SpecRetry `json:"retry"`
	// Breaker is nil where there is none.
	Breaker *SpecBreaker `json:"breaker"`
	Paused  bool         `json:"paused"`
	// Revision of the key the spec was read from.
	Revision uint64 `json:"-"`
}

// SpecDelivery is how messages come to the members.
type SpecDelivery struct {
	// Mode is pull, batch, push or queue.
	Mode string `json:"mode"`
	// Size of a batch, and how long its oldest message waits for it to fill.
	Size   int   `json:"size"`
	WaitMs int64 `json:"wait_ms"`
}

// SpecBreaker is when a member stops taking messages because too many attempts fail.
type SpecBreaker struct {
	FailureShare float64 `json:"failure_share"`
	MinAttempts  int     `json:"min_attempts"`
	WindowMs     int64   `json:"window_ms"`
	PauseMs      int64   `json:"pause_ms"`
}

// SpecRetry is when failed attempts come back.
type SpecRetry struct {
	MaxAttempts int `json:"max_attempts"`
	// BackoffMs is the delay after each failed attempt; the last one repeats.
	BackoffMs   []int64 `json:"backoff_ms"`
	Jitter      float64 `json:"jitter"`
	MaxSnoozeMs int64   `json:"max_snooze_ms"`
}

func defaultSpec() Spec {
	return Spec{
		Delivery:      SpecDelivery{Mode: modePull},
		Ledger:        ledgerKV,
		AckWaitMs:     30_000,
		MaxAckPending: 200_000,
		Concurrency:   10,
		TimeoutMs:     60_000,
		Retry:         SpecRetry{MaxAttempts: 5, Jitter: 0.2, MaxSnoozeMs: 3_600_000},
	}
}

// UnmarshalJSON fills in the defaults of what is left out.
func (b *SpecBreaker) UnmarshalJSON(data []byte) error {
	type plain SpecBreaker
	breaker := plain{MinAttempts: 20, WindowMs: 10_000, PauseMs: 5000}
	err := json.Unmarshal(data, &breaker)
	*b = SpecBreaker(breaker)
	return err
}

// parseSpec reads a spec and fills in the defaults. The error is of [CodeBadSpec].
func parseSpec(data []byte, revision uint64, stream, group string) (*Spec, error) {
	bad := func(text string, err error) (*Spec, error) {
		return nil, &Error{Code: CodeBadSpec, Message: text, Err: err}
	}
	v, err := specVerdict()
	if err != nil {
		return nil, err
	}
	value, code, text := v.judge(data)
	if code != "" {
		return bad(text, nil)
	}
	spec := defaultSpec()
	// Encoded anew: numbers such as 1e3 become integers, of a key given twice the last one counts.
	if err := json.Unmarshal(mustJSON(value), &spec); err != nil {
		return bad("not a spec", err)
	}
	if spec.Stream != stream || spec.Group != group {
		return bad("it is the spec of "+GroupKey(spec.Stream, spec.Group), nil)
	}
	if problems := specProblems(&spec); len(problems) > 0 {
		return bad(strings.Join(problems, "; "), nil)
	}
	if spec.Retry.BackoffMs == nil {
		spec.Retry.BackoffMs = []int64{1000, 5000, 30_000, 120_000}
	}
	spec.Revision = revision
	return &spec, nil
}

// specPoll has the last good spec and knows whether it still counts. One goroutine polls, any reads.
type specPoll struct {
	wire   *wire
	log    *slog.Logger
	stream string
	group  string

	// last is the last good spec, current the same while it counts.
	last, current atomic.Pointer[Spec]
	// began is the spec that the process began to work by.
	began atomic.Pointer[Spec]

	misses      int
	seen        uint64
	saidMissing bool
}

// restartNeeded names the fields that changed and take effect only in a new process.
func (p *specPoll) restartNeeded() []string {
	needed := []string{}
	began, last := p.began.Load(), p.last.Load()
	if began == nil || last == nil {
		return needed
	}
	if began.Delivery != last.Delivery {
		needed = append(needed, "delivery")
	}
	if began.Ledger != last.Ledger {
		needed = append(needed, "ledger")
	}
	return needed
}

// poll gets the spec once. An unreachable bucket changes nothing.
func (p *specPoll) poll(ctx context.Context) {
	entry, err := p.wire.kvGet(ctx, groupsBucket, GroupKey(p.stream, p.group))
	switch {
	case err != nil:
		if p.last.Load() == nil && ctx.Err() == nil {
			p.sayMissing("code", "unreachable", "error", err.Error())
		}
	case !entry.exists:
		p.misses++
		p.miss()
	case entry.revision != p.seen:
		p.misses, p.seen = 0, entry.revision
		p.take(entry)
	default:
		p.misses = 0
		p.arrived()
	}
}

func (p *specPoll) take(entry kvEntry) {
	spec, err := parseSpec(entry.value, entry.revision, p.stream, p.group)
	if err != nil {
		p.log.Error("spec cannot be used", "code", "bad_spec", "revision", entry.revision, "error", err.Error())
		// The last good one stays; at start there is none.
		p.arrived()
		return
	}
	p.last.Store(spec)
	p.current.Store(nil)
	p.arrived()
}

func (p *specPoll) arrived() {
	last := p.last.Load()
	if last == nil {
		p.miss()
		return
	}
	if p.current.Load() != last {
		p.saidMissing = false
		p.current.Store(last)
		p.log.Info("spec changed", "revision", last.Revision)
	}
}

func (p *specPoll) miss() {
	if p.last.Load() == nil || p.misses >= specMisses {
		p.current.Store(nil)
		p.sayMissing()
	}
}

func (p *specPoll) sayMissing(fields ...any) {
	if !p.saidMissing {
		p.saidMissing = true
		p.log.Warn("spec missing", fields...)
	}
}
