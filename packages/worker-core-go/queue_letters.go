package muster

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// letterAgain is the time between two tries at a dead letter.
const letterAgain = time.Second

// letterParts is what dead letters of a queue group need.
type letterParts struct {
	deadLetters *deadLetters
	// most are kept at once.
	most   func() int
	log    *slog.Logger
	onLost func()
	spawn  func(func(ctx context.Context))
}

// queueLetters are dead letters of a queue group. There is no message to give back while the stream
// does not take one, so it is kept in the process and tried again; what does not fit is lost, said,
// and counted.
type queueLetters struct {
	letterParts

	mu   sync.Mutex
	kept int
	idle *sync.Cond
}

func newQueueLetters(parts letterParts) *queueLetters {
	letters := &queueLetters{letterParts: parts}
	letters.idle = sync.NewCond(&letters.mu)
	return letters
}

func (l *queueLetters) send(m *message, why failure, contract string, record *attemptsRecord) {
	l.mu.Lock()
	isFull := l.kept >= l.most()
	if !isFull {
		l.kept++
	}
	l.mu.Unlock()
	if isFull {
		l.lost(m, "its dead letter does not fit either", true)
		return
	}
	headers := l.deadLetters.headers(m, why, contract, record)
	l.spawn(func(ctx context.Context) {
		l.publish(ctx, m, headers)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.kept--
		l.idle.Broadcast()
	})
}

// lost: a message that nobody will see again.
func (l *queueLetters) lost(m *message, why string, isSaid bool) {
	l.onLost()
	if isSaid {
		l.log.Error("message lost", "code", "queue_lost", "event_id", m.eventID, "error", why)
	}
}

// drain returns when all are published.
func (l *queueLetters) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.kept > 0 {
		l.idle.Wait()
	}
}

// publish tries until the stream has it; when the process ends, what is still here is lost with it.
func (l *queueLetters) publish(ctx context.Context, m *message, headers map[string]string) {
	for isSaid := false; ; isSaid = true {
		err := l.deadLetters.publish(ctx, m, headers)
		if err == nil {
			return
		}
		if !isSaid {
			l.log.Warn("dead letter waits", "code", "unreachable", "event_id", m.eventID, "error", err.Error())
		}
		if pause(ctx, letterAgain) != nil {
			return
		}
	}
}
