package muster

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

// defaultStall is the silence of a pull that is looked into.
const defaultStall = 30 * time.Second

// looksPerStall is how often the watchdog looks within that time.
const looksPerStall = 3

// watchdog looks after a pull that has gone silent: pulls stall after a change of leader although
// messages wait. It asks the consumer first, because silence is right when nothing waits, when it is
// paused, or when max_ack_pending is used up.
type watchdog struct {
	wire   *wire
	config Config
	log    *slog.Logger
	pull   *pull
	// isPullWanted is false while the member takes nothing for a good reason.
	isPullWanted func() bool
	onStalled    func()

	said string
}

// run looks until ctx ends.
func (w *watchdog) run(ctx context.Context) {
	ticker := time.NewTicker(w.config.StallAfter / looksPerStall)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.look(ctx)
		}
	}
}

func (w *watchdog) look(ctx context.Context) {
	if !w.isSilent() {
		return
	}
	isStalled, err := w.ask(ctx)
	if err != nil {
		if text := err.Error(); text != w.said && ctx.Err() == nil {
			w.said = text
			w.log.Warn("consumer not seen", "code", "consumer_unknown", "error", text)
		}
		return
	}
	w.said = ""
	if !isStalled || !w.isSilent() {
		return
	}
	w.log.Warn("pull stalled", "code", "pull_stalled")
	// Counted from now: what the new pull brings takes a moment.
	w.pull.lastMessageAt.Store(time.Now().UnixNano())
	if w.pull.recreate() == nil {
		w.onStalled()
	}
}

func (w *watchdog) isSilent() bool {
	silence := time.Since(time.Unix(0, w.pull.lastMessageAt.Load()))
	return silence > w.config.StallAfter && w.isPullWanted() && w.pull.outstanding() > 0
}

// ask is true where the server has what it does not deliver.
func (w *watchdog) ask(ctx context.Context) (bool, error) {
	answer, err := w.wire.request(ctx, w.wire.prefix+".CONSUMER.INFO."+w.config.Stream+"."+w.config.Group, nil, nil)
	if err != nil {
		return false, err
	}
	var info struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
		Paused        bool  `json:"paused"`
		NumPending    int64 `json:"num_pending"`
		NumAckPending int64 `json:"num_ack_pending"`
		Config        struct {
			MaxAckPending int64 `json:"max_ack_pending"`
		} `json:"config"`
	}
	if err := json.Unmarshal(answer.Data, &info); err != nil {
		return false, unreachable(err, "the answer is no consumer info")
	}
	if info.Error != nil {
		return false, unreachable(nil, "consumer %s of %s: %s", w.config.Group, w.config.Stream, info.Error.Description)
	}
	most := info.Config.MaxAckPending
	hasRoom := most <= 0 || info.NumAckPending < most
	return info.NumPending > 0 && !info.Paused && hasRoom, nil
}
