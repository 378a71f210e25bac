package muster

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const benchMessages = 100_000

// BenchmarkBesideTheRawCallback compares the core with the client's Consume callback and plain acks,
// which is what it is built on: the same messages, in turn, the median of the rounds' ratios. On a
// busy machine the ratio of the CPU time, the server's included, says more than that of the rates.
func BenchmarkBesideTheRawCallback(b *testing.B) {
	type value struct {
		ID     string  `json:"id"`
		Amount float64 `json:"amount"`
	}
	var rates, costs []float64
	for b.Loop() {
		raw := benchRound(b, func(g *group, handled func()) {
			consumer, err := g.js.Consumer(b.Context(), g.stream, g.name)
			must(b, err)
			consuming, err := consumer.Consume(func(m jetstream.Msg) {
				_ = m.Ack()
				handled()
			}, jetstream.PullMaxMessages(1000))
			must(b, err)
			b.Cleanup(consuming.Stop)
		})
		core := benchRound(b, func(g *group, handled func()) {
			config := Config{
				Servers: []string{g.server.url}, Stream: g.stream, Group: g.name, Member: "m", Grace: time.Minute,
				Log: slog.New(slog.DiscardHandler),
			}
			w := New(config, func(context.Context, value, *Delivery) (any, error) {
				handled()
				return nil, nil
			})
			ended := make(chan error, 1)
			go func() { ended <- w.Serve(context.Background()) }()
			b.Cleanup(func() {
				w.Drain()
				must(b, <-ended)
			})
		})
		rates = append(rates, raw.took.Seconds()/core.took.Seconds())
		costs = append(costs, raw.cpu.Seconds()/core.cpu.Seconds())
		b.Logf("raw %v, core %v, rate × %.2f, CPU × %.2f", raw, core, rates[len(rates)-1], costs[len(costs)-1])
	}
	slices.Sort(rates)
	slices.Sort(costs)
	b.ReportMetric(rates[len(rates)/2], "rate-ratio")
	b.ReportMetric(costs[len(costs)/2], "cpu-ratio")
}

type benchResult struct{ took, cpu time.Duration }

func (r benchResult) String() string {
	return fmt.Sprintf("%.0f/s at %d µs", benchMessages/r.took.Seconds(), r.cpu.Microseconds()/benchMessages)
}

// benchRound is the time from the first message to an empty stream.
func benchRound(b *testing.B, start func(g *group, handled func())) benchResult {
	b.Helper()
	g := newGroup(b, shared)
	g.spec["ledger"], g.spec["concurrency"] = ledgerNone, 100
	g.apply()
	body := order("o-1", 12.5)
	for i := range benchMessages {
		must(b, g.nc.PublishMsg(&nats.Msg{
			Subject: g.subject("created"), Data: body, Header: nats.Header{"Muster-Event-Id": {fmt.Sprintf("o-%d.created", i)}},
		}))
	}
	for g.messages() < benchMessages {
		time.Sleep(time.Millisecond)
	}
	var count atomic.Int64
	first, all := make(chan struct{}), make(chan struct{})
	start(g, func() {
		switch count.Add(1) {
		case 1:
			close(first)
		case benchMessages:
			close(all)
		}
	})
	<-first
	from, cpu := time.Now(), cpuTime("self")+cpuTime(strconv.Itoa(shared.cmd.Process.Pid))
	<-all
	for g.messages() > 0 {
		time.Sleep(time.Millisecond)
	}
	return benchResult{took: time.Since(from), cpu: cpuTime("self") + cpuTime(strconv.Itoa(shared.cmd.Process.Pid)) - cpu}
}

// cpuTime of a process, where the system tells it.
func cpuTime(pid string) time.Duration {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
