package muster

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// pullExpires is how long a request stays at the server; a pause takes hold within that time.
	pullExpires = 5 * time.Second
	// voidAfter: a request that has not ended by then will not; the server lost it, or its answer was
	// lost.
	voidAfter     = pullExpires + 2*time.Second
	idleHeartbeat = "100"
)

// laneListener is told what comes on a lane.
type laneListener interface {
	onMessage(msg *nats.Msg)
	// onStatus: the request has ended with this status.
	onStatus(status, description string)
	// onEnd: the lane is free; all of it was delivered, or it is void.
	onEnd()
}

// lane has one pull request at a time over a subscription of its own, so that its credits can be
// told from others': a delivered message tells only its subscription.
type lane struct {
	conn     *connection
	inbox    string
	listener laneListener
	sub      *nats.Subscription
	// credits are the messages asked for and not delivered yet; 0: the lane is free.
	credits atomic.Int64

	mu     sync.Mutex
	number int
	// reply is the reply subject of the request under way.
	reply string
	timer *time.Timer
}

func openLane(conn *connection, inbox string, listener laneListener) (*lane, error) {
	l := &lane{conn: conn, inbox: inbox, listener: listener}
	sub, err := conn.nc.Subscribe(inbox+".*", l.receive)
	if err != nil {
		return nil, unreachable(err, "cannot subscribe to the pull inbox")
	}
	l.sub = sub
	// Nothing is ever dropped as slow: credits bound what comes.
	return l, sub.SetPendingLimits(-1, -1)
}

// ask sends a request; false where it could not be sent.
func (l *lane) ask(subject string, batch int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	number := l.number
	l.reply = l.inbox + "." + strconv.Itoa(number)
	l.credits.Store(int64(batch))
	body := `{"batch":` + strconv.Itoa(batch) + `,"expires":` + strconv.FormatInt(pullExpires.Nanoseconds(), 10) + `}`
	if l.conn.nc.PublishRequest(subject, l.reply, []byte(body)) != nil {
		l.endLocked()
		return false
	}
	l.stopTimer()
	l.timer = time.AfterFunc(voidAfter, func() {
		if l.endNumber(number) {
			l.listener.onEnd()
		}
	})
	return true
}

// end forgets the request under way: its connection is gone.
func (l *lane) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked()
}

func (l *lane) endLocked() {
	l.stopTimer()
	l.credits.Store(0)
	l.reply = ""
}

func (l *lane) endNumber(number int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number != l.number || l.credits.Load() == 0 {
		return false
	}
	l.endLocked()
	return true
}

func (l *lane) stopTimer() {
	if l.timer != nil {
		l.timer.Stop()
	}
}

func (l *lane) receive(msg *nats.Msg) {
	if strings.HasPrefix(msg.Reply, ackPrefix) {
		// Held before its credit goes, or the two together would look too few for a moment.
		l.listener.onMessage(msg)
		l.useCredit()
		return
	}
	status, description := statusOf(msg)
	if status == "" || status == idleHeartbeat {
		return
	}
	l.mu.Lock()
	isCurrent := msg.Subject == l.reply
	if isCurrent {
		l.endLocked()
	}
	l.mu.Unlock()
	if isCurrent {
		l.listener.onStatus(status, description)
	}
}

func (l *lane) useCredit() {
	for {
		credits := l.credits.Load()
		if credits == 0 {
			return
		}
		if l.credits.CompareAndSwap(credits, credits-1) {
			if credits == 1 {
				l.listener.onEnd()
			}
			return
		}
	}
}
