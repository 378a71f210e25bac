package muster

import (
	"context"
	"time"
)

// How a member leaves: why it does so by itself, what it still brings to an end, and what it closes.

// windUp is the most that leaving takes once the handlers have ended.
const windUp = 2 * time.Second

// taken: another process has our id.
func (w *Worker) taken(err error) {
	w.config.Log.Error("id taken", "code", string(CodeIDTaken), "error", err.Error())
	w.isTaken.Store(true)
	w.Drain()
}

// onRefused ends the member: without what the server refuses there is no work, and a process that ends
// says so more clearly than one that waits.
func (w *Worker) onRefused(code Code, err error) {
	message := map[Code]string{CodeLoginRefused: "login refused", CodeNotPermitted: "not permitted"}[code]
	if w.refusal.CompareAndSwap(nil, &Error{Code: code, Message: message, Err: err}) {
		w.config.Log.Error(message, "code", string(code), "error", err.Error())
	}
	w.Drain()
}

// drain lets handlers finish within the grace, and ends them where it is over.
func (w *Worker) drain(life context.Context, abort context.CancelCauseFunc) error {
	w.config.Log.Info("draining", "state", w.state())
	signal(w.beatNow)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.finish(life)
	}()
	grace := time.NewTimer(w.config.Grace)
	defer grace.Stop()
	select {
	case <-ended:
		return nil
	case <-w.forced:
	case <-grace.C:
	}
	select {
	case <-ended:
		return nil
	default:
	}
	abort(errAborted)
	// A moment for those that listen, so that they end in order.
	ctx, cancel := context.WithTimeout(life, windUp/4)
	defer cancel()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return &Error{Code: CodeForced, Message: "stopped while handlers were running"}
}

// leave leaves the group; the connection is ended by who opened it.
func (w *Worker) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, windUp)
	defer cancel()
	if w.command != nil {
		_ = w.command.Unsubscribe()
	}
	w.breaker.close()
	w.base.answers.close()
	if w.base.conn.isUp() {
		if err := w.member.leave(ctx); err != nil {
			w.config.Log.Debug("heartbeat not written", "code", "unreachable", "error", err.Error())
		}
		_ = w.base.conn.flush(ctx, windUp)
	}
	if mode := w.mode.Load(); mode != nil {
		mode.close()
	}
	w.config.Log.Info("left")
	tell(w.config.Log, w.config.Events.Left)
}
