package muster

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Delivery is what a handler is told besides the message's value.
type Delivery struct {
	// Value is the parsed message, as the contract's schema has judged it. A handler gets it in its
	// own type; this one is for middleware.
	Value any
	// EventID is the business identity; the same in every attempt, redelivery and replay. Make
	// outside effects idempotent by it.
	EventID string
	// Attempt is 1 for the first attempt that counts.
	Attempt int
	// History has earlier attempts and snoozes, oldest first, the last 20 at most.
	History []AttemptEntry
	// Subject as the publisher knew it, also where this is a replay.
	Subject string
	Header  Header
	// Sequence in the stream; 0 in a core queue group, which has none.
	Sequence uint64
	// ReplayNumber is how often the message was replayed from the dead letters.
	ReplayNumber int
	// Log has the delivery's fields.
	Log *slog.Logger
	// Conn is the member's connection, for requests of the handler's own.
	Conn *nats.Conn
	// Tx is the transaction that ends with the ledger row: what it does and the row are both there,
	// or none is. It begins with its first statement. Only with ledger postgres; elsewhere its
	// methods give an error of [CodeNoTransaction].
	Tx Tx
}

// delivery is what is known of a message on its way.
type delivery struct {
	Delivery

	message *message
	lookUp  lookUp
	// kept is nil until it was needed.
	kept     *keptRecord
	contract string
	// isSuspect: it may have killed its last process; it runs alone, and its start is noted first.
	isSuspect bool
	startedAt time.Time
	tx        *transaction
	// log and logger are what Log points at.
	log    deliveryLog
	logger slog.Logger
}

func newDelivery(m *message, contract string, log *slog.Logger, conn *nats.Conn) *delivery {
	d := &delivery{message: m, contract: contract, lookUp: unseen, startedAt: m.receivedAt}
	d.Delivery = Delivery{
		EventID:      m.eventID,
		Attempt:      1,
		Subject:      m.subject,
		Header:       m.header,
		Sequence:     m.ack.seq,
		ReplayNumber: m.replayNumber,
		Conn:         conn,
		Tx:           noTransaction{},
	}
	d.log = deliveryLog{Handler: log.Handler(), delivery: d}
	d.logger = *slog.New(&d.log)
	d.Log = &d.logger
	return d
}

// begin is for the start of the handler.
func (d *delivery) begin(now time.Time, tx *transaction) {
	d.startedAt = now
	d.tx = tx
	if tx != nil {
		d.Tx = tx
	}
	if record := d.kept.known(); record != nil {
		d.History = record.History
	}
}

// deliveryLog adds the delivery's fields when a line is written: most write none.
type deliveryLog struct {
	slog.Handler

	delivery *delivery
}

func (l *deliveryLog) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(l.attrs()...)
	return l.Handler.Handle(ctx, r)
}

func (l *deliveryLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return l.Handler.WithAttrs(l.attrs()).WithAttrs(attrs)
}

func (l *deliveryLog) WithGroup(name string) slog.Handler {
	return l.Handler.WithAttrs(l.attrs()).WithGroup(name)
}

func (l *deliveryLog) attrs() []slog.Attr {
	d := l.delivery
	return []slog.Attr{
		slog.Uint64("seq", d.Sequence), slog.String("event_id", d.EventID),
		slog.Uint64("delivery", d.message.ack.delivered), slog.Int("attempt", d.Attempt),
	}
}

// runContext is a handler's context. The standard one is made when somebody asks for more than the
// deadline: a timer for each message would cost more than most handlers.
type runContext struct {
	parent   context.Context //nolint:containedctx // A context holds its parent.
	deadline time.Time

	mu      sync.Mutex
	std     context.Context //nolint:containedctx // It is this one, made late.
	cancel  context.CancelFunc
	isEnded bool
}

func (c *runContext) Deadline() (time.Time, bool) { return c.deadline, true }
func (c *runContext) Done() <-chan struct{}       { return c.made().Done() }
func (c *runContext) Err() error                  { return c.made().Err() }
func (c *runContext) Value(key any) any           { return c.made().Value(key) }

func (c *runContext) made() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.std == nil {
		c.std, c.cancel = context.WithDeadline(c.parent, c.deadline)
		if c.isEnded {
			c.cancel()
		}
	}
	return c.std
}

// returned is for when the handler has.
func (c *runContext) returned() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isEnded = true
	if c.cancel != nil {
		c.cancel()
	}
}
