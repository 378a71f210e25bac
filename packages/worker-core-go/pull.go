package muster

import (
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// laneCount requests are under way at once.
	laneCount = 4
	// refusedPause is the wait when the consumer is gone or the server says something odd.
	refusedPause = 250 * time.Millisecond
)

// pull asks for as many messages as there is room for: what runs and waits in the process is bounded
// by its credits.
type pull struct {
	sourceParts

	subject string
	log     *slog.Logger
	// lastMessageAt is what the watchdog asks, in nanoseconds.
	lastMessageAt atomic.Int64
	// toFree is how many places must become free before asking can come to anything.
	toFree atomic.Int64

	mu       sync.Mutex
	lanes    []*lane
	maxBatch int
	resumeAt time.Time
	resume   *time.Timer
	isClosed bool
	said     string
}

// newPull makes a pull; subject is where its requests go.
func newPull(parts sourceParts, subject string, log *slog.Logger) (*pull, error) {
	p := &pull{sourceParts: parts, subject: subject, log: log}
	p.resume = time.AfterFunc(time.Hour, p.wake)
	p.resume.Stop()
	if err := p.openLanes(); err != nil {
		return nil, err
	}
	p.lastMessageAt.Store(time.Now().UnixNano())
	parts.conn.onChange(func(bool) {
		p.endRequests()
		p.wake()
	})
	return p, nil
}

// outstanding are the messages asked for and not delivered yet.
func (p *pull) outstanding() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outstandingLocked()
}

func (p *pull) outstandingLocked() int {
	sum := 0
	for _, lane := range p.lanes {
		sum += int(lane.credits.Load())
	}
	return sum
}

// wake asks where there is room. One request for each freed place would cost as much as the message:
// below half of the concurrency there is either something waiting in hand or something asked for.
func (p *pull) wake() {
	for p.ask() {
		// One lane after the other.
	}
}

// freed is wake for one place in hand that has become free: mostly it cannot ask yet, which costs it
// no lock.
func (p *pull) freed() {
	if p.toFree.Add(-1) <= 0 {
		p.wake()
	}
}

func (p *pull) ask() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Before it looks: what becomes free meanwhile counts.
	p.toFree.Store(0)
	room := p.most() - p.held() - p.outstandingLocked()
	least := max(1, p.concurrency()/2)
	if room < least {
		p.toFree.Add(int64(least - room))
		return false
	}
	if p.isClosed || !p.mayPull() || !p.isFresh() || !p.conn.isUp() {
		return false
	}
	if wait := time.Until(p.resumeAt); wait > 0 {
		p.resume.Reset(wait)
		return false
	}
	if p.maxBatch > 0 {
		room = min(room, p.maxBatch)
	}
	for _, lane := range p.lanes {
		if lane.credits.Load() == 0 {
			p.onSend()
			return lane.ask(p.subject, room)
		}
	}
	return false
}

// recreate starts anew on another inbox, with nothing asked for. What still comes on the old one is
// taken.
func (p *pull) recreate() error {
	p.mu.Lock()
	old := p.lanes
	err := p.openLanes()
	p.mu.Unlock()
	if err != nil {
		return err
	}
	for _, lane := range old {
		lane.end()
		_ = lane.sub.Drain()
	}
	p.wake()
	return nil
}

// drain takes what was on its way and ends the subscriptions.
func (p *pull) drain(ctx context.Context) {
	p.mu.Lock()
	wasClosed := p.isClosed
	p.isClosed = true
	p.resume.Stop()
	lanes := p.lanes
	p.mu.Unlock()
	if wasClosed {
		return
	}
	var group sync.WaitGroup
	for _, lane := range lanes {
		lane.end()
		group.Go(func() { p.conn.drain(ctx, lane.sub) })
	}
	group.Wait()
}

func (p *pull) openLanes() error {
	inbox := p.conn.nc.NewInbox()
	lanes := make([]*lane, laneCount)
	for i := range lanes {
		lane, err := openLane(p.conn, inbox+"."+strconv.Itoa(i), (*pullListener)(p))
		if err != nil {
			return err
		}
		lanes[i] = lane
	}
	p.lanes = lanes
	return nil
}

func (p *pull) endRequests() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, lane := range p.lanes {
		lane.end()
	}
}

// pullListener is the pull as its lanes see it.
type pullListener pull

func (l *pullListener) onMessage(msg *nats.Msg) {
	p := (*pull)(l)
	p.lastMessageAt.Store(time.Now().UnixNano())
	p.onMessage(msg)
}

func (l *pullListener) onEnd() { (*pull)(l).wake() }

var maxBatchRe = regexp.MustCompile(`MaxRequestBatch of ([0-9]+)`)

func (l *pullListener) onStatus(status, description string) {
	p := (*pull)(l)
	p.mu.Lock()
	switch most := maxBatchRe.FindStringSubmatch(description); {
	case most != nil:
		p.maxBatch, _ = strconv.Atoi(most[1])
		p.maxBatch = max(p.maxBatch, 1)
	case status == "404" || status == "408" || description == "Batch Completed":
		p.said = ""
	default:
		p.resumeAt = time.Now().Add(refusedPause)
		if text := strings.TrimSpace(status + " " + description); text != p.said {
			p.said = text
			p.log.Warn("pull refused", "code", "pull_refused", "error", text)
		}
	}
	p.mu.Unlock()
	p.wake()
}
