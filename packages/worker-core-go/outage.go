package muster

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// reachableEvery is the time between two questions whether it answers again.
const reachableEvery = time.Second

// outage is a dependency that does not answer: the member takes no messages until it does.
type outage struct {
	log         *slog.Logger
	probe       func(ctx context.Context) error
	onRecovered func()

	on    atomic.Bool
	began chan struct{}
}

func (o *outage) isOn() bool { return o.on.Load() }

// begin: something did not answer. False when that is known already.
func (o *outage) begin(err error) bool {
	if o.on.Swap(true) {
		return false
	}
	o.log.Warn("degraded", "code", "unreachable", "error", headerText(err.Error(), maxText))
	signal(o.began)
	return true
}

// run asks during an outage until ctx ends.
func (o *outage) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.began:
		}
		for o.isOn() {
			if pause(ctx, reachableEvery) != nil {
				return
			}
			if o.probe(ctx) == nil {
				o.on.Store(false)
				o.log.Info("recovered")
				o.onRecovered()
			}
		}
	}
}
