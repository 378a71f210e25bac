package muster

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	conformanceHeader  = "Muster-Conformance"
	conformanceKillAt  = "MUSTER_CONFORMANCE_KILL_AT"
	conformanceHandler = "MUSTER_CONFORMANCE_HANDLER"
)

// RunConformance is the worker of the conformance suite: its handler obeys the message's header
// Muster-Conformance, and the process kills itself at the step MUSTER_CONFORMANCE_KILL_AT names.
// With MUSTER_CONFORMANCE_HANDLER=batch it brings a handler of batches.
func RunConformance() {
	killAt := os.Getenv(conformanceKillAt)
	onStep := WithOnStep(func(step string) {
		if step == killAt {
			killSelf()
		}
	})
	if os.Getenv(conformanceHandler) == modeBatch {
		RunBatch(conformBatch, onStep)
	}
	Run(conform, onStep)
}

func conform(ctx context.Context, body any, d *Delivery) (any, error) {
	verb, options := parseConformance(d.Header.Get(conformanceHeader))
	if applies(options, d) {
		if verb == "result" {
			bytes, _ := strconv.Atoi(options["bytes"])
			return resultOf(bytes), nil
		}
		if err := obey(ctx, verb, options, d); err != nil {
			return nil, err
		}
	}
	if _, ok := options["balance"]; ok {
		if err := addToBalance(ctx, body, d); err != nil {
			return nil, err
		}
	}
	return conformanceResult{EventID: d.EventID, Subject: d.Subject, Attempt: d.Attempt}, nil
}

// applies: whether it is one of the attempts, turns and replays that the verb is for.
func applies(options map[string]string, d *Delivery) bool {
	isBelow := func(name string, value int) bool {
		limit, err := strconv.Atoi(options[name])
		return err != nil || value < limit
	}
	return isBelow("times", d.Attempt-1) && isBelow("turns", len(d.History)) && isBelow("replays", d.ReplayNumber)
}

const addSQL = `insert into muster_conformance_balances as b (customer, amount) values ($1, $2)
	on conflict (customer) do update set amount = b.amount + excluded.amount`

func addToBalance(ctx context.Context, body any, d *Delivery) error {
	order, _ := body.(map[string]any)
	// Past its deadline the handler still commits, as its twins do: the ledger decides whether it counts.
	_, err := d.Tx.Exec(context.WithoutCancel(ctx), addSQL, order["customer"], order["amount"])
	return err
}

// conformBatch: each message's directive makes its outcome, all of them at once.
func conformBatch(ctx context.Context, messages []BatchMessage[any], _ *Batch) ([]Outcome, error) {
	outcomes := make([]Outcome, len(messages))
	each(len(messages), func(i int) {
		result, err := conform(ctx, messages[i].Value, messages[i].Delivery)
		if plain, ok := result.(conformanceResult); ok {
			plain.Batch = len(messages)
			result = plain
		}
		outcomes[i] = Outcome{Result: result, Err: err}
	})
	return outcomes, nil
}

type conformanceResult struct {
	EventID string `json:"event_id"`
	Subject string `json:"subject"`
	Attempt int    `json:"attempt"`
	Batch   int    `json:"batch,omitempty"`
}

func parseConformance(header string) (verb string, options map[string]string) {
	parts := strings.Split(header, ";")
	if verb = strings.TrimSpace(parts[0]); verb == "" {
		verb = "return"
	}
	options = map[string]string{"text": verb}
	for _, part := range parts[1:] {
		if name, value, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
			options[name] = value
		}
	}
	return verb, options
}

func obey(ctx context.Context, verb string, options map[string]string, d *Delivery) error {
	delayMs, noDelay := strconv.ParseInt(options["delay_ms"], 10, 64)
	text := options["text"]
	switch verb {
	case "return":
		return nil
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
		return nil
	case "exit":
		killSelf()
		return nil
	case "sql":
		if err := addEffect(ctx, d); err != nil {
			return err
		}
		idleMs, _ := strconv.ParseInt(options["ms"], 10, 64)
		time.Sleep(ms(idleMs))
		times, _ := strconv.Atoi(options["again"])
		return addAgain(ctx, d, times)
	default:
		return Permanent("unknown conformance verb " + verb)
	}
}

func addEffect(ctx context.Context, d *Delivery) error {
	_, err := d.Tx.Exec(ctx, "insert into muster_conformance_effects(event_id, member) values ($1, $2)", d.EventID, os.Getenv("WORKER_ID"))
	return err
}

// addAgain does it so many times more, whatever became of the times before; it fails as the last one does.
func addAgain(ctx context.Context, d *Delivery, times int) (err error) {
	for range times {
		err = addEffect(ctx, d)
	}
	return err
}

// resultOf is a result of so many bytes as compact JSON; one that is no JSON for -1.
func resultOf(bytes int) any {
	if bytes < 0 {
		return json.RawMessage("{")
	}
	return strings.Repeat("x", max(bytes-len(`""`), 0))
}

// killSelf does not return: nothing more may happen until the signal has taken effect.
func killSelf() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
