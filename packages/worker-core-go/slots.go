package muster

import (
	"slices"
	"sync"
)

// slots bounds the handlers that run at once, first come, first served. The limit applies live.
type slots struct {
	mu       sync.Mutex
	limit    int
	used     int
	isClosed bool
	waiting  []chan bool
}

// acquire waits for a slot; false: closed, nothing may start any more.
func (s *slots) acquire() bool {
	s.mu.Lock()
	if s.isClosed || (s.used < s.limit && len(s.waiting) == 0) {
		defer s.mu.Unlock()
		if !s.isClosed {
			s.used++
		}
		return !s.isClosed
	}
	turn := make(chan bool, 1)
	s.waiting = append(s.waiting, turn)
	s.mu.Unlock()
	return <-turn
}

func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	s.admit()
}

func (s *slots) setLimit(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = n
	s.admit()
}

// close sends all who wait away.
func (s *slots) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isClosed = true
	for _, turn := range s.waiting {
		turn <- false
	}
	s.waiting = nil
}

func (s *slots) admit() {
	for s.used < s.limit && len(s.waiting) > 0 {
		s.used++
		s.waiting[0] <- true
		s.waiting = slices.Delete(s.waiting, 0, 1)
	}
}
