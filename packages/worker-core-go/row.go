package muster

import (
	"cmp"
	"encoding/json"
	"slices"
)

// maxSequences is how many further sequences a row keeps; beyond them it only counts.
const maxSequences = 32

const (
	statusDone = "done"
	statusDead = "dead"
)

// ledgerRow is what became of an event in a group.
//
//nolint:recvcheck // Rows are changed in place, and encoded as values, too.
type ledgerRow struct {
	V          int               `json:"v"`
	Status     string            `json:"status"`
	EventID    string            `json:"event_id"`
	BodySHA256 string            `json:"body_sha256"`
	Sequence   uint64            `json:"sequence"`
	StoreTime  string            `json:"store_time"`
	Sequences  []uint64          `json:"sequences"`
	More       int               `json:"more"`
	Result     json.RawMessage   `json:"result,omitempty"`
	Reason     string            `json:"reason,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Member     string            `json:"member"`
	Language   string            `json:"language"`
	At         string            `json:"at"`

	extra extraFields
}

// plainRow is a row without its methods.
type plainRow ledgerRow

// UnmarshalJSON keeps the fields it does not know.
func (r *ledgerRow) UnmarshalJSON(data []byte) (err error) {
	r.extra, err = decodeWithExtra(data, (*plainRow)(r))
	return err
}

// MarshalJSON writes them again.
func (r ledgerRow) MarshalJSON() ([]byte, error) { return encodeWithExtra(plainRow(r), r.extra) }

// rowDecision is what the row of its event says of a message.
type rowDecision string

const (
	rowRun      rowDecision = "run"
	rowRepeat   rowDecision = "repeat"
	rowConflict rowDecision = "conflict"
	rowFinish   rowDecision = "finish"
	rowStale    rowDecision = "stale"
)

// messageIdentity tells a message from all others.
type messageIdentity struct {
	bodySHA256 string
	sequence   uint64
	storeTime  string
}

func decideRow(row *ledgerRow, m messageIdentity) rowDecision {
	if row == nil {
		return rowRun
	}
	sameBody := row.BodySHA256 == m.bodySHA256
	if row.Status == statusDone {
		if sameBody {
			return rowRepeat
		}
		return rowConflict
	}
	// Store times order messages also where a stream was made again and counts from 1 once more.
	order := compareStoreTimes(row.StoreTime, m.storeTime)
	if order == 0 {
		order = cmp.Compare(row.Sequence, m.sequence)
	}
	switch {
	case order == 0:
		return rowFinish
	case order < 0:
		return rowRun
	case sameBody:
		return rowStale
	default:
		return rowConflict
	}
}

// knows reports whether the row already counts the message. Else it joins the row before it is
// answered: a repeat the done row before its ack, a stale message the dead row before its term.
// Nothing else would tell what became of its sequence.
func (r *ledgerRow) knows(m messageIdentity) bool {
	own := r.Sequence == m.sequence && r.StoreTime == m.storeTime
	return own || slices.Contains(r.Sequences, m.sequence)
}

// join adds a further sequence to the row, done or dead, or counts it.
func (r *ledgerRow) join(sequence uint64) {
	if len(r.Sequences) < maxSequences {
		r.Sequences = append(r.Sequences, sequence)
	} else {
		r.More++
	}
}

// over takes on the sequences of the earlier row that r overwrites, and that row's own.
func (r *ledgerRow) over(earlier *ledgerRow) {
	r.Sequences, r.More = []uint64{}, 0
	if earlier != nil {
		r.Sequences = append(r.Sequences, earlier.Sequences...)
		r.More = earlier.More
		r.join(earlier.Sequence)
	}
}

// compareStoreTimes compares texts of digits as integers.
func compareStoreTimes(a, b string) int {
	na, _ := parseDigits(a)
	nb, _ := parseDigits(b)
	return cmp.Compare(na, nb)
}
