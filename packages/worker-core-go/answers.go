package muster

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// mostAtOnce acks leave in one write.
	mostAtOnce = 256
	// patience is how long an ack waits for company while more messages are in hand: each write costs
	// as much as a message.
	patience = time.Millisecond
)

// answers is what a member says of its messages: published to their reply subjects, always by hand,
// because the libraries swallow an ack after a nak. Acks leave together: with the next pull request,
// at once when nothing else is in hand, and within a millisecond in any case.
type answers struct {
	conn *connection
	// confirm asks the server to say that it has each ack.
	confirm bool

	mu    sync.Mutex
	acks  []string
	spare []string
	// late could not be sent; a lost ack costs a redelivery, so they wait for the connection.
	late    []string
	timer   *time.Timer
	isArmed bool
}

func newAnswers(conn *connection, confirm bool) *answers {
	a := &answers{conn: conn, confirm: confirm}
	a.timer = time.AfterFunc(time.Hour, a.flush)
	a.timer.Stop()
	conn.onChange(func(isUp bool) {
		if isUp {
			a.sendLate()
		}
	})
	return a
}

// ack publishes an ack. isLast: nothing else is in hand, so nothing is worth waiting for.
func (a *answers) ack(ctx context.Context, reply string, isLast bool) {
	if a.confirm && a.ackAndWait(ctx, reply) {
		return
	}
	a.mu.Lock()
	a.acks = append(a.acks, reply)
	isDue := isLast || len(a.acks) >= mostAtOnce
	if !isDue && !a.isArmed {
		a.isArmed = true
		a.timer.Reset(patience)
	}
	a.mu.Unlock()
	if isDue {
		a.flush()
	}
}

// ackAndWait is false where it could not be sent; no answer is no reason to do anything else.
func (a *answers) ackAndWait(ctx context.Context, reply string) bool {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := a.conn.nc.RequestWithContext(ctx, reply, ackBody())
	return err == nil || a.conn.isUp()
}

// send publishes an answer that is worth nothing later: while disconnected it is dropped, and false.
func (a *answers) send(reply string, body []byte) bool {
	return a.conn.nc.Publish(reply, body) == nil
}

// flush publishes the acks that wait.
func (a *answers) flush() {
	a.mu.Lock()
	if a.isArmed {
		a.isArmed = false
		a.timer.Stop()
	}
	acks := a.acks
	a.acks, a.spare = a.spare[:0], nil
	a.mu.Unlock()
	a.publish(acks)
	a.mu.Lock()
	clear(acks)
	a.spare = acks[:0]
	a.mu.Unlock()
}

func (a *answers) publish(acks []string) {
	for i, reply := range acks {
		if !a.send(reply, ackBody()) {
			a.mu.Lock()
			a.late = append(a.late, acks[i:]...)
			a.mu.Unlock()
			return
		}
	}
}

// sendLate is for a connection that is back.
func (a *answers) sendLate() {
	a.mu.Lock()
	late := a.late
	a.late = nil
	a.mu.Unlock()
	a.publish(late)
}

// close sends what waits.
func (a *answers) close() {
	a.flush()
	a.timer.Stop()
}

// statusOf reads the status of a message from the server; "" for one that has none.
func statusOf(msg *nats.Msg) (status, description string) {
	header := Header(msg.Header)
	return header.Get("Status"), header.Get("Description")
}

var (
	ackText        = []byte("+ACK")
	inProgressText = []byte("+WPI")
)

func ackBody() []byte        { return ackText }
func inProgressBody() []byte { return inProgressText }

func nakBody(delay time.Duration) []byte {
	if delay <= 0 {
		return []byte("-NAK")
	}
	return []byte(`-NAK {"delay":` + strconv.FormatInt(delay.Nanoseconds(), 10) + `}`)
}

func termBody(reason string) []byte { return []byte("+TERM " + reason) }
