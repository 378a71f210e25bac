package muster

import (
	"math"
	"slices"
	"sync"
	"time"
)

// The outcomes a delivery may end in.
const (
	outcomeDone     = "done"
	outcomeRetry    = "retry"
	outcomeSnoozed  = "snoozed"
	outcomeReturned = "returned"
	outcomeDead     = "dead"
	outcomeRepeat   = "repeat"
	outcomeStale    = "stale"
)

// maxDurations is how many of the latest handling times the percentiles are made of.
const maxDurations = 1000

// stats counts what the member record tells.
type stats struct {
	mu        sync.Mutex
	counts    memberCounts
	inFlight  int
	lastError string
	durations []time.Duration
	next      int
}

func (s *stats) settled(outcome string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch outcome {
	case outcomeDone:
		s.counts.Done++
	case outcomeRetry:
		s.counts.Retry++
	case outcomeSnoozed:
		s.counts.Snoozed++
	case outcomeReturned:
		s.counts.Returned++
	case outcomeDead:
		s.counts.Dead++
	case outcomeRepeat:
		s.counts.Repeat++
	case outcomeStale:
		s.counts.Stale++
	}
}

func (s *stats) failed(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastError = headerText(text, maxText)
}

func (s *stats) started() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight++
}

func (s *stats) ended(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	if len(s.durations) < maxDurations {
		s.durations = append(s.durations, took)
		return
	}
	s.durations[s.next] = took
	s.next = (s.next + 1) % maxDurations
}

// fill writes what is counted into a member record.
func (s *stats) fill(r *memberRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Counts, r.InFlight, r.LastError = s.counts, s.inFlight, s.lastError
	if len(s.durations) > 0 {
		sorted := slices.Sorted(slices.Values(s.durations))
		r.P50Ms, r.P99Ms = percentileMs(sorted, 0.5), percentileMs(sorted, 0.99)
	}
}

func percentileMs(sorted []time.Duration, share float64) *float64 {
	rank := int(math.Ceil(share*float64(len(sorted)))) - 1
	value := math.Round(float64(sorted[max(rank, 0)])/1e3) / 1e3
	return &value
}
