package muster

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// The SDK is the process's: the tests of traces run in a process of their own.
func inProcessOfItsOwn(t *testing.T) bool {
	t.Helper()
	if os.Getenv("MUSTER_TEST_TRACE") == t.Name() {
		return true
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), "MUSTER_TEST_TRACE="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func recorder(t *testing.T) *tracetest.SpanRecorder {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	return spans
}

func TestAHandlerRunsInASpanOfItsPublishersTrace(t *testing.T) { //nolint:paralleltest // In a process of its own.
	if !inProcessOfItsOwn(t) {
		return
	}
	spans := recorder(t)
	g := newGroup(t, shared).apply()
	inside := make(chan trace.SpanContext, 3)
	serve(t, g.config("m"), func(ctx context.Context, _ map[string]any, d *Delivery) (any, error) {
		inside <- trace.SpanContextFromContext(ctx)
		switch d.EventID {
		case "bad":
			return nil, Permanent("no")
		case "later":
			if d.Attempt == 1 && len(d.History) == 0 {
				return nil, Snooze(1)
			}
		}
		return nil, nil
	})
	publisher := testPublisher(t, g)
	ctx, parent := otel.Tracer("test").Start(t.Context(), "publish")
	_, err := publisher.Publish(ctx, PublishItem[json.RawMessage]{Subject: g.subject("created"), Value: order("a", 1), EventID: "bad"})
	must(t, err)
	parent.End()
	letter := g.deadLetter()
	g.settled()
	want := parent.SpanContext().TraceID()
	equal(t, (<-inside).TraceID(), want)
	// The dead letter carries it on.
	equal(t, Header(letter.Header).Get("traceparent"), "00-"+want.String()+"-"+parent.SpanContext().SpanID().String()+"-01")
	g.publish("later", order("a", 1), "traceparent", "nonsense")
	g.settled()
	told := map[string]string{}
	for _, span := range spans.Ended() {
		if span.Name() != "process billing" {
			continue
		}
		attributes := map[string]string{}
		for _, one := range span.Attributes() {
			attributes[string(one.Key)] = one.Value.String()
		}
		equal(t, []any{span.SpanKind(), attributes["messaging.system"], attributes["messaging.destination.name"]},
			[]any{trace.SpanKindConsumer, "nats", g.subject("created")})
		if attributes["messaging.message.id"] == "bad" {
			equal(t, span.Parent().SpanID(), parent.SpanContext().SpanID())
			equal(t, attributes["muster.attempt"], "1")
		}
		told[attributes["messaging.message.id"]] += span.Status().Code.String() + " "
	}
	// A snooze is no failure.
	equal(t, told, map[string]string{"bad": "Error ", "later": strings.Repeat("Unset ", 2)})
}

func TestABatchIsATraceOfItsOwnLinkedToItsMessages(t *testing.T) { //nolint:paralleltest // In a process of its own.
	if !inProcessOfItsOwn(t) {
		return
	}
	spans := recorder(t)
	handler := traceBatch("billing", func(ctx context.Context, d []*Delivery, _ *Batch) ([]Outcome, error) {
		return nil, errors.New("all of it")
	})
	parent := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	_, err := handler(t.Context(), []*Delivery{{EventID: "a", Header: Header{"traceparent": {parent}}}, {EventID: "b"}}, &Batch{})
	equal(t, err.Error(), "all of it")
	span := spans.Ended()[0]
	equal(t, []any{len(span.Links()), span.Links()[0].SpanContext.TraceID().String(), span.Parent().IsValid()},
		[]any{1, "0af7651916cd43dd8448eb211c80319c", false})
}

func TestWithoutAnSDKNothingIsTraced(t *testing.T) {
	t.Parallel()
	headers := map[string]string{}
	inject(t.Context(), headers)
	equal(t, []any{activeTracer() == nil, len(headers)}, []any{true, 0})
}
