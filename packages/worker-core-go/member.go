package muster

import (
	"context"
	"encoding/json"
	"time"
)

// watchedBeats is how long another instance's record is watched before its id is taken over.
const watchedBeats = 2

// The states of a member.
const (
	stateStarting = "starting"
	stateRunning  = "running"
	statePaused   = "paused"
	stateDraining = "draining"
)

// memberRecord is what a member says of itself with every heartbeat.
type memberRecord struct {
	V             int           `json:"v"`
	ID            string        `json:"id"`
	Instance      string        `json:"instance"`
	Language      string        `json:"language"`
	CoreVersion   string        `json:"core_version"`
	AppVersion    string        `json:"app_version"`
	Host          string        `json:"host"`
	PID           int           `json:"pid"`
	StartedAt     string        `json:"started_at"`
	State         string        `json:"state"`
	Degraded      bool          `json:"degraded"`
	Delivery      string        `json:"delivery"`
	Concurrency   int           `json:"concurrency"`
	InFlight      int           `json:"in_flight"`
	Held          int           `json:"held"`
	Counts        memberCounts  `json:"counts"`
	P50Ms         *float64      `json:"p50_ms,omitempty"`
	P99Ms         *float64      `json:"p99_ms,omitempty"`
	LastError     string        `json:"last_error,omitempty"`
	SpecRevision  uint64        `json:"spec_revision"`
	Contracts     []string      `json:"contracts"`
	Oldest        *memberOldest `json:"oldest,omitempty"`
	RestartNeeded []string      `json:"restart_needed"`
}

type memberCounts struct {
	Done     int `json:"done"`
	Retry    int `json:"retry"`
	Snoozed  int `json:"snoozed"`
	Returned int `json:"returned"`
	Dead     int `json:"dead"`
	Repeat   int `json:"repeat"`
	Stale    int `json:"stale"`
}

type memberOldest struct {
	Sequence uint64 `json:"sequence"`
	Since    string `json:"since"`
}

// member keeps the record of one instance under its id. Its methods are called by one goroutine.
type member struct {
	wire     *wire
	key      string
	instance string
	beatTime time.Duration
	record   func() memberRecord

	revision uint64
	isJoined bool
}

// join announces the member. [CodeIDTaken]: its id lives elsewhere.
func (m *member) join(ctx context.Context) error {
	revision, err := m.wire.kvCreate(ctx, membersBucket, m.key, m.value())
	if HasCode(err, CodeConflict) {
		revision, err = m.takeOver(ctx)
	}
	if err == nil {
		m.revision, m.isJoined = revision, true
	}
	return err
}

// beat writes the record. [CodeIDTaken]: another instance has our id. Unreachable: next beat.
func (m *member) beat(ctx context.Context) error {
	revision, err := m.wire.kvPut(ctx, membersBucket, m.key, m.value(), m.revision)
	if HasCode(err, CodeConflict) {
		var entry kvEntry
		if entry, err = m.wire.kvGet(ctx, membersBucket, m.key); err != nil {
			return err
		}
		if entry.exists && !m.isOurs(entry) {
			return m.taken()
		}
		// It expired in an outage, or the answer to a write of ours was lost.
		revision, err = m.wire.kvPut(ctx, membersBucket, m.key, m.value(), entry.revision)
	}
	if err == nil {
		m.revision = revision
	}
	return err
}

// leave deletes the record, which then is no crash. It is got first: the answer to our last write
// may have been lost, and that write may still be on its way, hence more than one try.
func (m *member) leave(ctx context.Context) error {
	if !m.isJoined {
		return nil
	}
	m.isJoined = false
	var err error
	for range leaveTries {
		var entry kvEntry
		entry, err = m.wire.kvGet(ctx, membersBucket, m.key)
		if err != nil || !entry.exists || !m.isOurs(entry) {
			return err
		}
		if err = m.wire.kvDelete(ctx, membersBucket, m.key, entry.revision); !HasCode(err, CodeConflict) {
			return err
		}
	}
	return err
}

// leaveTries: one more than there can be writes of our own on their way.
const leaveTries = 3

func (m *member) takeOver(ctx context.Context) (uint64, error) {
	first, err := m.wire.kvGet(ctx, membersBucket, m.key)
	if err != nil {
		return 0, err
	}
	last := first
	until := time.Now().Add(watchedBeats * m.beatTime)
	for last.exists && !m.isOurs(last) && time.Now().Before(until) {
		if err := pause(ctx, m.beatTime/4); err != nil {
			return 0, unreachable(err, "stopped while joining")
		}
		if last, err = m.wire.kvGet(ctx, membersBucket, m.key); err != nil {
			return 0, err
		}
		if last.exists && last.revision != first.revision {
			return 0, m.taken()
		}
	}
	revision, err := m.wire.kvPut(ctx, membersBucket, m.key, m.value(), last.revision)
	if HasCode(err, CodeConflict) {
		return 0, m.taken()
	}
	return revision, err
}

func (m *member) value() []byte { return mustJSON(m.record()) }

func (m *member) isOurs(entry kvEntry) bool {
	var record struct {
		Instance string `json:"instance"`
	}
	return json.Unmarshal(entry.value, &record) == nil && record.Instance == m.instance
}

func (m *member) taken() error {
	return &Error{Code: CodeIDTaken, Message: "member id " + m.key + " is in use by another live process"}
}
