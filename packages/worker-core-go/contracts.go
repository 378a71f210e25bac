package muster

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// contracts has the verdicts of the contracts that are loaded.
type contracts struct {
	wire *wire
	log  *slog.Logger

	// ready has the verdicts alone: it is read for every message, and replaced when one changes.
	ready atomic.Pointer[map[string]*verdict]

	mu     sync.Mutex
	loaded map[string]loadedContract
}

// loadedContract without a verdict is a schema that could not be compiled.
type loadedContract struct {
	verdict  *verdict
	revision uint64
}

func newContracts(w *wire, log *slog.Logger) *contracts {
	return &contracts{wire: w, log: log, loaded: map[string]loadedContract{}}
}

// load gets what is new of the named contracts. What does not answer, is gone or is no schema
// leaves the last good one.
//
// One that the spec no longer names is forgotten.
func (c *contracts) load(ctx context.Context, names []string) {
	c.mu.Lock()
	maps.DeleteFunc(c.loaded, func(name string, _ loadedContract) bool { return !slices.Contains(names, name) })
	c.changedLocked()
	c.mu.Unlock()
	each(len(names), func(i int) {
		if _, err := c.fetch(ctx, names[i]); HasCode(err, CodeUnreachable) {
			c.log.Debug("contract missing", "code", "unreachable", "contract", names[i], "error", err.Error())
		}
	})
}

// get gives the verdict, loaded now where it has to be. nil: there is none to be had.
func (c *contracts) get(ctx context.Context, name string) *verdict {
	if ready := c.ready.Load(); ready != nil && (*ready)[name] != nil {
		return (*ready)[name]
	}
	v, err := c.fetch(ctx, name)
	if err != nil {
		c.log.Debug("contract missing", "code", "unreachable", "contract", name, "error", err.Error())
	}
	return v
}

// names of those that are loaded.
func (c *contracts) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(c.loaded)) {
		if c.loaded[name].verdict != nil {
			names = append(names, name)
		}
	}
	return names
}

func (c *contracts) find(name string) loadedContract {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loaded[name]
}

func (c *contracts) fetch(ctx context.Context, name string) (*verdict, error) {
	entry, err := c.wire.kvGet(ctx, contractsBucket, name)
	if err != nil {
		return nil, err
	}
	known := c.find(name)
	if !entry.exists || entry.revision == known.revision {
		return known.verdict, nil
	}
	v, err := newVerdict(name, entry.value)
	if err != nil {
		c.log.Error("contract cannot be used", "code", "bad_contract", "contract", name, "revision", entry.revision, "error", err.Error())
		v = known.verdict
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded[name] = loadedContract{verdict: v, revision: entry.revision}
	c.changedLocked()
	return v, err
}

func (c *contracts) changedLocked() {
	ready := make(map[string]*verdict, len(c.loaded))
	for name, one := range c.loaded {
		ready[name] = one.verdict
	}
	c.ready.Store(&ready)
}
