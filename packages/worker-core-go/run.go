package muster

import (
	"context"
	"fmt"
	"io"
	"os"
	ossignal "os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

// The exit codes of a worker process.
const (
	exitClean     = 0
	exitForced    = 1
	exitBadConfig = 2
	exitIDTaken   = 3
	exitRefused   = 4
)

// Option changes the configuration that [Run] reads from the environment.
type Option func(*Config)

// WithVersion tells the version of the application.
func WithVersion(version string) Option { return func(c *Config) { c.Version = version } }

// WithOnStep is told of every step a delivery passes. See [Config].
func WithOnStep(onStep func(step string)) Option { return func(c *Config) { c.OnStep = onStep } }

// WithMiddleware runs middleware around each handler of one message, the first one outermost.
func WithMiddleware(middleware ...Middleware) Option {
	return func(c *Config) { c.Middleware = append(c.Middleware, middleware...) }
}

// WithEvents tells what happens to the worker.
func WithEvents(events Events) Option { return func(c *Config) { c.Events = events } }

// Run is a whole worker process: the configuration from the environment, the first SIGTERM or
// SIGINT drains, the second one forces, and the process exits with the protocol's code. It does not
// return.
func Run[T any](handler Handler[T], options ...Option) {
	runProcess(options, func(c Config) *Worker { return New(c, handler) })
}

// RunBatch is [Run] with a handler of batches.
func RunBatch[T any](handler BatchHandler[T], options ...Option) {
	runProcess(options, func(c Config) *Worker { return NewBatch(c, handler) })
}

// gcPercent: a worker makes much garbage and keeps little. Collecting when the heap has grown fivefold
// instead of twofold costs a few megabytes and gives a tenth of the CPU time back. GOGC says otherwise.
const gcPercent = 400

func runProcess(options []Option, newWorker func(Config) *Worker) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	signals := make(chan os.Signal, 2)
	ossignal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	os.Exit(run(os.Getenv, os.Stderr, signals, func(c Config) *Worker {
		for _, option := range options {
			option(&c)
		}
		return newWorker(c)
	}))
}

func run(getenv func(string) string, stderr io.Writer, signals <-chan os.Signal, newWorker func(Config) *Worker) int {
	config, err := LoadConfig(getenv)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(stderr, line)
		}
		return exitBadConfig
	}
	worker := newWorker(config)
	ended := make(chan error, 1)
	go func() { ended <- worker.Serve(context.Background()) }()
	stop := worker.Drain
	for {
		select {
		case <-signals:
			stop()
			stop = worker.Abort
		case err := <-ended:
			return exitCode(err, stderr)
		}
	}
}

func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return exitClean
	case HasCode(err, CodeCannotListen):
		fmt.Fprintln(stderr, err)
		return exitBadConfig
	case HasCode(err, CodeIDTaken):
		fmt.Fprintln(stderr, err)
		return exitIDTaken
	case HasCode(err, CodeLoginRefused), HasCode(err, CodeNotPermitted):
		fmt.Fprintln(stderr, err)
		return exitRefused
	default:
		fmt.Fprintln(stderr, err)
		return exitForced
	}
}
