package muster

import "math"

// BackoffDelayMs is the wait after failed attempt n (1-based). random is uniform in [0, 1).
func BackoffDelayMs(backoffMs []int64, jitter float64, attempt int, random float64) int64 {
	base := backoffMs[min(attempt, len(backoffMs))-1]
	// The conversions keep the compiler from fusing multiply and add, which would round otherwise
	// than the other languages do.
	spread := float64(jitter * (2*random - 1))
	return int64(math.Floor(float64(float64(base)*(1+spread)) + 0.5))
}
