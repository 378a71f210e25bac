package muster

import (
	"fmt"
	"strings"
)

// ourSubjects is what is below the root of Muster's own subjects: `*.created` does not reach it,
// `*.>` does.
const ourSubjects = "muster.*.>"

// specProblems are what is wrong with a spec that passed its schema: the rules that bind fields to
// each other, one line each, beginning with the field to change. Empty: the spec can be used.
func specProblems(spec *Spec) []string {
	problems := []string{}
	problems = append(problems, streamProblems(spec)...)
	problems = append(problems, modeProblems(spec)...)
	return append(problems, subjectProblems(spec.Subjects)...)
}

func streamProblems(spec *Spec) []string {
	isQueue := spec.Delivery.Mode == modeQueue
	switch {
	case spec.Stream == coreStream && !isQueue:
		return []string{fmt.Sprintf("stream: core has no messages to keep, mode %s needs a stream", spec.Delivery.Mode)}
	case spec.Stream != coreStream && isQueue:
		return []string{"stream: mode queue has none, write core instead of " + spec.Stream}
	}
	return nil
}

func modeProblems(spec *Spec) []string {
	var problems []string
	if spec.Delivery.Mode == modeQueue && spec.Ledger != ledgerNone {
		problems = append(problems, "ledger: mode queue has no identity for a row, write none instead of "+spec.Ledger)
	}
	if spec.Delivery.Mode == modeQueue && spec.Breaker != nil {
		problems = append(problems, "breaker: in mode queue messages pass unseen while it is open, leave it out")
	}
	if spec.Delivery.Mode == modeBatch && min(spec.Delivery.Size, spec.Concurrency) > spec.MaxAckPending {
		problems = append(problems, fmt.Sprintf("delivery: a batch of %d is never full with max_ack_pending %d", spec.Delivery.Size, spec.MaxAckPending))
	}
	return problems
}

// subjectProblems: the server refuses a consumer whose filters overlap; two queue subscriptions get
// a message twice.
func subjectProblems(subjects []string) []string {
	var problems []string
	for at, subject := range subjects {
		if root, _, _ := strings.Cut(subject, "."); root == "muster" || overlap(subject, ourSubjects) {
			problems = append(problems, fmt.Sprintf("subjects: %s takes what belongs to Muster", subject))
		}
		for _, other := range subjects[:at] {
			if overlap(other, subject) {
				problems = append(problems, fmt.Sprintf("subjects: %s and %s overlap", other, subject))
			}
		}
	}
	return problems
}

// overlap reports whether some subject matches both filters.
func overlap(a, b string) bool {
	left, right := strings.Split(a, "."), strings.Split(b, ".")
	for at := range max(len(left), len(right)) {
		if at >= len(left) || at >= len(right) {
			return false
		}
		one, other := left[at], right[at]
		if one == ">" || other == ">" {
			return true
		}
		if one != other && one != "*" && other != "*" {
			return false
		}
	}
	return true
}
