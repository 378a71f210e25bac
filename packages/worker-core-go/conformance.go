package muster

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	conformanceHeader = "Muster-Conformance"
	conformanceKillAt = "MUSTER_CONFORMANCE_KILL_AT"
)

// RunConformance is the worker of the conformance suite: its handler obeys the message's header
// Muster-Conformance, and the process kills itself at the step MUSTER_CONFORMANCE_KILL_AT names.
func RunConformance() {
	killAt := os.Getenv(conformanceKillAt)
	Run(conform, WithVersion(CoreVersion), WithOnStep(func(step string) {
		if step == killAt {
			killSelf()
		}
	}))
}

func conform(ctx context.Context, _ any, d *Delivery) (any, error) {
	verb, options := parseConformance(d.Header[conformanceHeader])
	times, err := strconv.Atoi(options["times"])
	if err != nil || d.Attempt <= times {
		if err := obey(ctx, verb, options); err != nil {
			return nil, err
		}
	}
	return map[string]string{"event_id": d.EventID, "subject": d.Subject}, nil
}

func parseConformance(header string) (verb string, options map[string]string) {
	parts := strings.Split(header, ";")
	options = map[string]string{"text": parts[0]}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		options[strings.TrimSpace(name)] = value
	}
	return strings.TrimSpace(parts[0]), options
}

func obey(ctx context.Context, verb string, options map[string]string) error {
	delayMs, noDelay := strconv.ParseInt(options["delay_ms"], 10, 64)
	text := options["text"]
	switch verb {
	case "permanent":
		return Permanent(text)
	case "retryable":
		if noDelay != nil {
			return Retryable(text)
		}
		return Retryable(text, ms(delayMs))
	case "snooze":
		return Snooze(ms(delayMs))
	case "hang":
		<-ctx.Done()
		return errors.New(text)
	case "block":
		blockMs, _ := strconv.ParseInt(options["ms"], 10, 64)
		time.Sleep(ms(blockMs))
	case "exit":
		killSelf()
	}
	return nil
}

// killSelf does not return: nothing more may happen until the signal has taken effect.
func killSelf() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
