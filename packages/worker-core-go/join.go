package muster

import (
	"context"
	"sync"

	"github.com/nats-io/nats.go"
)

// How a member joins: from a connection to a record that says that it is here.

// join announces the member; false: it was stopped before it got there.
func (w *Worker) join(life context.Context) bool {
	ctx, cancel := context.WithCancel(life)
	defer cancel()
	var stopping sync.WaitGroup
	defer stopping.Wait()
	defer cancel()
	stopping.Go(func() {
		select {
		case <-w.draining:
			cancel()
		case <-ctx.Done():
		}
	})
	for {
		err := w.tryJoin(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case HasCode(err, CodeIDTaken):
			w.taken(err)
			return false
		case err == nil:
			w.hasJoined.Store(true)
			w.config.Log.Info("joined", "state", w.state(), "revision", w.snapshot().specRevision)
			close(w.joined)
			tell(w.config.Log, w.config.Events.Joined)
			return true
		}
		w.config.Log.Debug("heartbeat not written", "code", "unreachable", "error", err.Error())
		if pause(ctx, retryEvery) != nil {
			return false
		}
	}
}

func (w *Worker) tryJoin(ctx context.Context) error {
	// Before the record says that the member is here: who reads it may send a command at once.
	if err := w.listenForCommands(); err != nil {
		return err
	}
	w.poll(ctx)
	return w.member.join(ctx)
}

func (w *Worker) serveHTTP(ctx context.Context, port int) (*endpoint, error) {
	e := &endpoint{log: w.config.Log, live: w.whyNotLive, ready: w.whyNotReady, metrics: w.metrics}
	if err := e.listen(ctx, w.config.HTTPHost, port); err != nil {
		return nil, err
	}
	w.endpoint.Store(e)
	return e, nil
}

func (w *Worker) open(aborted context.Context, conn *connection) {
	c := w.config
	w.aborted = aborted
	w.base = openBase(c, conn)
	w.joinable.Store(w.base)
	w.member = &member{
		wire:     w.base.wire,
		key:      MemberKey(c.Stream, c.Group, c.Member),
		instance: w.instance,
		beatTime: c.Heartbeat,
		record:   w.record,
	}
}

func (w *Worker) listenForCommands() error {
	if w.command != nil {
		return nil
	}
	c := w.config
	command, err := w.base.conn.nc.Subscribe(MemberSubject(c.Stream, c.Group, c.Member, "drain"), w.onDrain)
	if err != nil {
		return unreachable(err, "cannot subscribe to commands")
	}
	w.command = command
	return nil
}

func (w *Worker) onDrain(msg *nats.Msg) {
	if msg.Reply != "" {
		_ = msg.Respond([]byte(`{"ok":true}`))
	}
	w.Drain()
}

func (w *Worker) onConnection(isUp bool) {
	if isUp {
		signal(w.beatNow)
		if w.hasJoined.Load() {
			w.metrics.reconnects.Inc()
		}
	}
}
