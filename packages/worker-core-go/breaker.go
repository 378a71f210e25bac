package muster

import (
	"slices"
	"sync"
	"time"
)

// bucketCount is how many parts the window is counted in.
const bucketCount = 10

// breaker stops the member from taking messages for a while when too many attempts fail at once: a
// dependency of the handlers is down, and every message taken meanwhile would only use up its
// attempts. Off unless the spec has it.
type breaker struct {
	limits func() *SpecBreaker
	// concurrency is how many attempts it is tried with after the pause.
	concurrency func() int
	// onChange is told when it opens and when it closes.
	onChange func(isOpen bool)

	mu      sync.Mutex
	buckets []breakerBucket
	timer   *time.Timer
	isOn    bool
	// trial counts the attempts after the pause; nil where there is none.
	trial *breakerBucket
}

type breakerBucket struct {
	at            time.Time
	ended, failed int
}

func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.isOn
}

// isTrying: as many messages as run at once are held, until that many attempts have ended.
func (b *breaker) isTrying() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trial != nil
}

// attemptEnded: a permanent failure or a snooze is the message's own and counts as no failure.
func (b *breaker) attemptEnded(failed bool) {
	limits := b.limits()
	if limits == nil {
		return
	}
	b.mu.Lock()
	hasOpened := !b.isOn && b.count(limits, failed)
	b.mu.Unlock()
	if hasOpened {
		b.onChange(true)
	}
}

// close ends the pause without a word.
func (b *breaker) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
	}
}

// count is true when the breaker opens.
func (b *breaker) count(limits *SpecBreaker, failed bool) bool {
	now := time.Now()
	window := ms(limits.WindowMs)
	b.buckets = slices.DeleteFunc(b.buckets, func(one breakerBucket) bool { return now.Sub(one.at) >= window })
	if last := len(b.buckets) - 1; last < 0 || now.Sub(b.buckets[last].at) >= window/bucketCount {
		b.buckets = append(b.buckets, breakerBucket{at: now})
	}
	b.buckets[len(b.buckets)-1].add(failed)
	var all breakerBucket
	for _, one := range b.buckets {
		all.ended += one.ended
		all.failed += one.failed
	}
	isDue := failed && all.ended >= limits.MinAttempts && all.share() >= limits.FailureShare
	if b.trial != nil {
		b.trial.add(failed)
		if b.trial.ended >= b.concurrency() {
			isDue = isDue || b.trial.share() >= limits.FailureShare
			b.trial = nil
		}
	}
	if isDue {
		b.open(limits)
	}
	return isDue
}

func (b *breaker) open(limits *SpecBreaker) {
	b.isOn, b.buckets, b.trial = true, nil, nil
	b.timer = time.AfterFunc(ms(limits.PauseMs), func() {
		b.mu.Lock()
		b.isOn, b.trial = false, &breakerBucket{}
		b.mu.Unlock()
		b.onChange(false)
	})
}

func (b *breakerBucket) add(failed bool) {
	b.ended++
	if failed {
		b.failed++
	}
}

func (b *breakerBucket) share() float64 { return float64(b.failed) / float64(b.ended) }
