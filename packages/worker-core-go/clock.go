package muster

import (
	"sync"
	"time"
)

// timeFormat is RFC 3339 in UTC with milliseconds and Z.
const timeFormat = "2006-01-02T15:04:05.000Z"

func timestamp(t time.Time) string { return t.UTC().Format(timeFormat) }

// gap is the time since then, the larger by monotonic and wall clock: the monotonic one stands
// still while a machine sleeps, the wall clock may be set back.
func gap(now, then time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}

// ticks remembers the last two ticks of a timer. A process that was stopped has old ones, so it
// does not believe that what waited in its socket is fresh.
type ticks struct {
	mu     sync.Mutex
	before time.Time
	last   time.Time
}

func newTicks() *ticks {
	now := time.Now()
	return &ticks{before: now, last: now}
}

func (t *ticks) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.before, t.last = t.last, time.Now()
}

func (t *ticks) secondLast() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.before
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
