// Command bench-child consumes a loaded stream: `bench-child raw|ours <messages>`.
//
// `raw` is the client's Consume callback with plain acks, as most people write it; `ours` a worker with
// a no-op handler, as muster.Run makes it, which also has the garbage collector wait longer. It prints
// `first ack` when the server has it, then `rate <messages a second>`, from the first message until
// the server has all acks, `cpu <µs a message>` for the same time, and `rss <bytes>`.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	muster "github.com/muster-dev/muster/packages/worker-core-go"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	messages, err := strconv.ParseInt(os.Args[2], 10, 64)
	check(err)
	run := &run{messages: messages, first: make(chan struct{}), all: make(chan struct{})}
	go run.report(consumer())
	if os.Args[1] == "raw" {
		_, err := consumer().Consume(func(m jetstream.Msg) {
			_ = m.Ack()
			run.handled()
		}, jetstream.PullMaxMessages(1000))
		check(err)
		select {}
	}
	type order struct {
		ID     string  `json:"id"`
		Amount float64 `json:"amount"`
	}
	muster.Run(func(context.Context, order, *muster.Delivery) (any, error) {
		run.handled()
		return nil, nil
	})
}

type run struct {
	messages   int64
	count      atomic.Int64
	startedAt  time.Time
	used       time.Duration
	first, all chan struct{}
}

func (r *run) handled() {
	n := r.count.Add(1)
	if n == 1 {
		r.startedAt, r.used = time.Now(), processorTime()
		close(r.first)
	}
	if n == r.messages {
		close(r.all)
	}
}

// report asks on a connection of its own, and while messages are handled not at all.
func (r *run) report(c jetstream.Consumer) {
	<-r.first
	ask(c, func(info *jetstream.ConsumerInfo) bool { return info.AckFloor.Consumer > 0 || info.NumPending == 0 })
	say("first ack")
	<-r.all
	ask(c, func(info *jetstream.ConsumerInfo) bool { return info.NumPending == 0 && info.NumAckPending == 0 })
	say("rate", float64(r.messages)/time.Since(r.startedAt).Seconds())
	say("cpu", float64((processorTime()-r.used).Microseconds())/float64(r.messages))
	say("rss", rss())
}

func ask(c jetstream.Consumer, isThere func(*jetstream.ConsumerInfo) bool) {
	for {
		info, err := c.Info(context.Background())
		check(err)
		if isThere(info) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// consumer is the group's, on a connection of its own.
func consumer() jetstream.Consumer { //nolint:ireturn // It is the client's.
	nc, err := nats.Connect(os.Getenv("NATS_URL"))
	check(err)
	js, err := jetstream.New(nc)
	check(err)
	c, err := js.Consumer(context.Background(), os.Getenv("MUSTER_STREAM"), os.Getenv("MUSTER_GROUP"))
	check(err)
	return c
}

// processorTime of this process so far.
func processorTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// rss is the resident memory, where the system tells it.
func rss() int {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.Atoi(strings.Fields(string(data))[1])
	return pages * os.Getpagesize()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func say(words ...any) { _, _ = fmt.Fprintln(os.Stdout, words...) }
