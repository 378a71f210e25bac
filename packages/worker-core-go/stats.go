package muster

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The outcomes a delivery may end in. Lost: it was not ours any more.
const (
	outcomeDone     = "done"
	outcomeRetry    = "retry"
	outcomeSnoozed  = "snoozed"
	outcomeReturned = "returned"
	outcomeDead     = "dead"
	outcomeRepeat   = "repeat"
	outcomeStale    = "stale"
	outcomeLost     = "lost"
)

var outcomes = []string{
	outcomeDone, outcomeRetry, outcomeSnoozed, outcomeReturned, outcomeDead, outcomeRepeat, outcomeStale, outcomeLost,
}

// maxDurations is how many of the latest handling times the percentiles are made of.
const maxDurations = 512

// stats is what a member tells of itself: deliveries by outcome and the latest handling times.
type stats struct {
	// counts are in the order of outcomes.
	counts [8]atomic.Int64

	mu        sync.Mutex
	lastError string
	durations []time.Duration
	next      int
}

func (s *stats) count(outcome string) { s.counts[slices.Index(outcomes, outcome)].Add(1) }

func (s *stats) counted(outcome string) int {
	return int(s.counts[slices.Index(outcomes, outcome)].Load())
}

func (s *stats) failed(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastError = headerText(text, maxText)
}

// observe notes how long a handler took.
func (s *stats) observe(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.durations) < maxDurations {
		s.durations = append(s.durations, took)
		return
	}
	s.durations[s.next] = took
	s.next = (s.next + 1) % maxDurations
}

// fill writes what is counted into a member record.
func (s *stats) fill(r *memberRecord) {
	r.Counts = memberCounts{
		Done:     s.counted(outcomeDone),
		Retry:    s.counted(outcomeRetry),
		Snoozed:  s.counted(outcomeSnoozed),
		Returned: s.counted(outcomeReturned),
		Dead:     s.counted(outcomeDead),
		Repeat:   s.counted(outcomeRepeat),
		Stale:    s.counted(outcomeStale),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.LastError = s.lastError
	if len(s.durations) > 0 {
		sorted := slices.Sorted(slices.Values(s.durations))
		r.P50Ms, r.P99Ms = percentileMs(sorted, 0.5), percentileMs(sorted, 0.99)
	}
}

// percentileMs: the given share of the latest handlers was at most this fast.
func percentileMs(sorted []time.Duration, share float64) *float64 {
	at := min(len(sorted)-1, int(float64(len(sorted))*share))
	value := math.Round(float64(sorted[at])/1e3) / 1e3
	return &value
}
