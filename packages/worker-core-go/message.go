package muster

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// message is one delivery of a message, from its receipt until it is settled.
type message struct {
	// reply is where acks are published; empty in a core queue group.
	reply        string
	ack          ackReply
	subject      string
	header       Header
	body         []byte
	eventID      string
	replayNumber int
	receivedAt   time.Time
	hash         string

	// Guarded by the hold's lock.
	holding
}

// newMessage reads a delivery; false where its reply is no ack reply.
func newMessage(msg *nats.Msg, stream, group string) (*message, bool) {
	ack, ok := parseAckReply(msg.Reply)
	if !ok {
		return nil, false
	}
	header := Header(msg.Header)
	return &message{
		reply:        msg.Reply,
		ack:          ack,
		subject:      StripReplayPrefix(stream, group, msg.Subject),
		header:       header,
		body:         msg.Data,
		eventID:      eventIDOf(header.Get, stream, ack.seq, ack.storeTime),
		replayNumber: replayNumber(header.Get("Muster-Replay-Number")),
		receivedAt:   time.Now(),
	}, true
}

// coreMessage reads a message of a core queue group: it has no sequence, and no identity of its own
// but the one its publisher gave it.
func coreMessage(msg *nats.Msg, subject string) *message {
	header := Header(msg.Header)
	eventID := namedEventID(header.Get)
	if eventID == "" {
		eventID = newEventID()
	}
	return &message{
		ack:          ackReply{stream: coreStream, delivered: 1, storeTime: storeTimeNow()},
		subject:      subject,
		header:       header,
		body:         msg.Data,
		eventID:      eventID,
		replayNumber: replayNumber(header.Get("Muster-Replay-Number")),
		receivedAt:   time.Now(),
	}
}

// contract is the name the message gives, else the group's default.
func (m *message) contract(spec *Spec) string {
	if name := m.header.Get("Muster-Contract"); name != "" {
		return name
	}
	return spec.Contracts[0]
}

func (m *message) identity() messageIdentity {
	if m.hash == "" {
		m.hash = sha256Hex(m.body)
	}
	return messageIdentity{bodySHA256: m.hash, sequence: m.ack.seq, storeTime: m.ack.storeTime}
}

// Header has a message's headers as they are on the wire: names are case-sensitive.
type Header map[string][]string

// Get is the last value of the name, without spaces around it; "" where there is none.
func (h Header) Get(name string) string {
	values := h[name]
	if len(values) == 0 {
		return ""
	}
	return strings.Trim(values[len(values)-1], " \t")
}

// last has the last value of each name.
func (h Header) last() map[string]string {
	last := make(map[string]string, len(h))
	for name := range h {
		last[name] = h.Get(name)
	}
	return last
}

var lastStoreTime atomic.Int64

// storeTimeNow is nanoseconds as a stream would give them; two messages of one process never share
// them.
func storeTimeNow() string {
	for {
		before := lastStoreTime.Load()
		now := max(time.Now().UnixNano(), before+1)
		if lastStoreTime.CompareAndSwap(before, now) {
			return strconv.FormatInt(now, 10)
		}
	}
}

// newEventID is a UUID of version 7: ids made later sort later.
func newEventID() string {
	var b [16]byte
	_, _ = rand.Read(b[8:])
	var random [2]byte
	_, _ = rand.Read(random[:])
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16|uint64(random[0]&0x0f|0x70)<<8|uint64(random[1]))
	b[8] = b[8]&0x3f | 0x80
	return uuidText(b)
}

// newUUID is a random (version 4) UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuidText(b)
}

func uuidText(b [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
