package muster

import (
	"context"
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

// pause waits, or gives the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// signal leaves a mark in a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
