package muster

import (
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Delivery is what a handler is told besides the message's value.
type Delivery struct {
	// EventID is the business identity; the same in every delivery and replay.
	EventID string
	// Attempt is 1 for the first attempt that counts.
	Attempt int
	// Subject as the publisher knew it, also where this is a replay.
	Subject string
	// Header has the last value of each name; names are case-sensitive.
	Header map[string]string
	// Log has the delivery's fields.
	Log *slog.Logger
	// Conn is the member's connection.
	Conn *nats.Conn
}

// message is a delivery in hand.
type message struct {
	reply        string
	ack          ackReply
	subject      string
	headers      map[string]string
	body         []byte
	eventID      string
	replayNumber int
	since        time.Time
	identity     func() messageIdentity

	// Guarded by the hold's lock: when the server last surely knew that we have the message, and
	// whether it is found lost.
	lastExtension time.Time
	isLost        bool
}

// newMessage reads a delivery; false where its reply is no ack reply.
func newMessage(msg *nats.Msg, group string) (*message, bool) {
	ack, ok := parseAckReply(msg.Reply)
	if !ok {
		return nil, false
	}
	headers := lastValues(msg.Header)
	m := &message{
		reply:        msg.Reply,
		ack:          ack,
		subject:      StripReplayPrefix(ack.stream, group, msg.Subject),
		headers:      headers,
		body:         msg.Data,
		eventID:      EventID(headers, ack.stream, ack.seq, ack.storeTime),
		replayNumber: replayNumber(headers),
		since:        time.Now(),
	}
	m.identity = sync.OnceValue(func() messageIdentity {
		return messageIdentity{bodySHA256: sha256Hex(m.body), sequence: ack.seq, storeTime: ack.storeTime}
	})
	return m, true
}

// contract is the name the message gives, else the group's default.
func (m *message) contract(spec *Spec) string {
	if name := m.headers["Muster-Contract"]; name != "" {
		return name
	}
	return spec.Contracts[0]
}
