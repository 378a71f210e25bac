package muster

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// anyHandler is a handler for one message, or one for several.
type anyHandler struct {
	one   handlerFunc
	batch batchFunc
}

// single is the handler for one message in any case.
func (h anyHandler) single() handlerFunc {
	if h.one != nil {
		return h.one
	}
	return h.batch.oneByOne()
}

// mode is what runs by the group's delivery mode.
type mode struct {
	name     string
	ledger   ledger
	handlers *handlers
	intake   intake
	source   source
	// pull is nil where nothing is pulled.
	pull *pull
	// command is the subscription to replays of a queue group, nil elsewhere.
	command *nats.Subscription
}

func (m *mode) close() {
	if m.command != nil {
		_ = m.command.Unsubscribe()
	}
	m.handlers.close()
	m.ledger.close()
}

// openMode builds what the spec's delivery mode needs; nothing is taken before the source is woken.
func (w *Worker) openMode(spec *Spec, l ledger) (*mode, error) {
	latest := func() *Spec { return w.base.spec.last.Load() }
	m := &mode{name: spec.Delivery.Mode, ledger: l}
	m.handlers = newHandlers(func() time.Duration { return ms(latest().TimeoutMs) }, w.onHandled)
	ends := &ends{
		stats: w.stats, metrics: w.metrics, log: w.config.Log, events: &w.config.Events, breaker: w.breaker, onStep: w.config.OnStep,
	}
	if m.name == modeQueue {
		return m, w.openQueue(m, ends, latest)
	}
	w.openIntake(m, ends, latest)
	parts := sourceParts{
		conn: w.base.conn,
		most: func() int {
			if w.breaker.isTrying() {
				return latest().Concurrency
			}
			return 2 * latest().Concurrency
		},
		concurrency: func() int { return latest().Concurrency },
		held:        m.intake.len,
		mayPull:     w.mayPull,
		isFresh:     w.base.hold.isFresh,
		onSend:      w.base.answers.flush,
		onMessage: func(msg *nats.Msg) {
			if one, ok := newMessage(msg, w.config.Stream, w.config.Group); ok {
				m.intake.take(one)
			}
		},
	}
	if m.name == modePush {
		m.source = &push{
			sourceParts: parts, subject: PushSubject(w.config.Stream, w.config.Group), group: w.config.Group, log: w.config.Log,
		}
		return m, nil
	}
	subject := w.config.APIPrefix + ".CONSUMER.MSG.NEXT." + w.config.Stream + "." + w.config.Group
	pull, err := newPull(parts, subject, w.config.Log)
	m.pull, m.source = pull, pull
	w.base.hold.setOnFresh(m.source.wake)
	return m, err
}

func (w *Worker) openIntake(m *mode, ends *ends, latest func() *Spec) {
	parts := &settleParts{
		hold: w.base.hold, ledger: m.ledger, records: w.base.records, deadLetters: w.base.deadLetters, spec: latest, ends: ends,
	}
	dead := &dead{parts}
	settlement := &settlement{settleParts: parts, dead: dead}
	steps := &steps{
		settleParts: parts, dead: dead, contracts: w.base.contracts, log: w.config.Log, conn: w.base.conn.nc, onUnreachable: w.onUnreachable,
	}
	concurrency := func() int { return latest().Concurrency }
	if m.name == modeBatch && w.handler.batch != nil {
		slots := newBatchSlots(batchSlotParts{
			steps: steps, handlers: m.handlers, handler: traceBatch(w.config.Group, w.handler.batch), concurrency: concurrency, spawn: w.spawn, onFree: func() { m.source.wake() },
			settlement: &batchSettlement{settleParts: parts, steps: steps, dead: dead, settlement: settlement},
			batch: func() (int, time.Duration) {
				delivery := latest().Delivery
				if delivery.Mode != modeBatch {
					// Changed meanwhile, which needs a restart: the one it began with stays in force.
					delivery = w.base.spec.began.Load().Delivery
				}
				return delivery.Size, ms(delivery.WaitMs)
			},
		})
		m.intake = slots
		m.handlers.missed = func(r *handling) { slots.settlement.missed(settling(r.parent), r) }
		return
	}
	// Nothing is gained by waiting for a full batch where messages are handled one by one.
	slots := newSlots(slotParts{
		steps: steps, settlement: settlement, handlers: m.handlers, handler: w.single(), concurrency: concurrency, spawn: w.spawn, onFree: func() { m.source.freed() },
	})
	m.intake = slots
	m.handlers.missed = func(r *handling) { slots.missed(settling(r.parent), r) }
}

func (w *Worker) openQueue(m *mode, ends *ends, latest func() *Spec) error {
	letters := newQueueLetters(letterParts{
		deadLetters: w.base.deadLetters, log: w.config.Log, spawn: w.spawn,
		most:   func() int { return latest().MaxAckPending },
		onLost: w.metrics.queueLost.Inc,
	})
	queue := newQueue(queueParts{
		conn: w.base.conn, config: w.config, spec: latest, contracts: w.base.contracts, handlers: m.handlers, handler: w.single(),
		records: w.base.records, letters: letters, ends: ends, mayTake: w.mayPull, spawn: w.spawn,
	})
	m.intake, m.source = queueIntake{queue}, queue
	m.handlers.missed = queue.missed
	command, err := w.base.conn.nc.Subscribe(MemberSubject(coreStream, w.config.Group, w.config.Member, "replay"), queue.replay)
	if err != nil {
		return unreachable(err, "cannot subscribe to replays")
	}
	m.command = command
	return nil
}

// single is the handler for one message with the middleware around it and a span around both.
func (w *Worker) single() handlerFunc {
	return traced(w.config.Group, compose(w.config.Middleware, w.handler.single()))
}

// spawn runs a goroutine that a drain waits for; its context ends when handlers are aborted.
func (w *Worker) spawn(work func(ctx context.Context)) {
	w.running.Go(func() { work(w.aborted) })
}
