package muster

import (
	"context"
	"errors"
	"reflect"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const tracerName = "github.com/muster-dev/muster/packages/worker-core-go"

// traced runs a handler in a span `process <group>` whose parent is the message's publisher. The span
// ends with the handler, or with its context: a handler past its deadline may never end. Without an
// SDK it only calls it.
func traced(group string, handler handlerFunc) handlerFunc {
	return func(ctx context.Context, d *Delivery) (any, error) {
		tracer := activeTracer()
		if tracer == nil {
			return handler(ctx, d)
		}
		ctx, end := startSpan(publisherOf(ctx, d), tracer, group,
			trace.WithAttributes(
				attribute.String("messaging.system", "nats"),
				attribute.String("messaging.destination.name", d.Subject),
				attribute.String("messaging.message.id", d.EventID),
				attribute.Int("muster.attempt", d.Attempt),
			))
		result, err := handler(ctx, d)
		end(err)
		return result, err
	}
}

// traceBatch is [traced] for one call that works on several messages: a trace of its own, linked to
// theirs.
func traceBatch(group string, handler batchFunc) batchFunc {
	return func(ctx context.Context, deliveries []*Delivery, b *Batch) ([]Outcome, error) {
		tracer := activeTracer()
		if tracer == nil {
			return handler(ctx, deliveries, b)
		}
		var links []trace.Link
		for _, d := range deliveries {
			if publisher := trace.SpanContextFromContext(publisherOf(ctx, d)); publisher.IsValid() {
				id := attribute.String("messaging.message.id", d.EventID)
				links = append(links, trace.Link{SpanContext: publisher, Attributes: []attribute.KeyValue{id}})
			}
		}
		ctx, end := startSpan(ctx, tracer, group, trace.WithNewRoot(), trace.WithLinks(links...),
			trace.WithAttributes(
				attribute.String("messaging.system", "nats"),
				attribute.Int("messaging.batch.message_count", len(deliveries)),
			))
		outcomes, err := handler(ctx, deliveries, b)
		end(err)
		return outcomes, err
	}
}

// inject adds the context's trace to headers to publish. Those that are there already stay. It does
// nothing without an SDK.
func inject(ctx context.Context, headers map[string]string) {
	if _, isThere := headers["traceparent"]; !isThere && activeTracer() != nil {
		propagator().Inject(ctx, outgoingHeaders(headers))
	}
}

// activeTracer is nil without an SDK: the API hands out tracers that do nothing until there is one.
func activeTracer() trace.Tracer { //nolint:ireturn // As the API has it.
	provider := otel.GetTracerProvider()
	if reflect.TypeOf(provider) == idleProvider {
		return nil
	}
	return provider.Tracer(tracerName, trace.WithInstrumentationVersion(CoreVersion))
}

// idleProvider is the type of the provider that only stands in for one; nil where an SDK was there
// before this package.
var idleProvider = func() reflect.Type {
	of := reflect.TypeOf(otel.GetTracerProvider())
	if of.Kind() != reflect.Pointer || of.Elem().PkgPath() != "go.opentelemetry.io/otel/internal/global" {
		return nil
	}
	return of
}()

// propagator is the application's, or that of the W3C, which is what the protocol has.
func propagator() propagation.TextMapPropagator { //nolint:ireturn // As the API has it.
	if p := otel.GetTextMapPropagator(); len(p.Fields()) > 0 {
		return p
	}
	return propagation.TraceContext{}
}

func publisherOf(ctx context.Context, d *Delivery) context.Context {
	return propagator().Extract(ctx, incomingHeaders(d.Header))
}

func startSpan(ctx context.Context, tracer trace.Tracer, group string, options ...trace.SpanStartOption) (context.Context, func(error)) {
	options = append(options, trace.WithSpanKind(trace.SpanKindConsumer))
	spanCtx, span := tracer.Start(ctx, "process "+group, options...) //nolint:spancheck // The caller ends it.
	var once sync.Once
	end := func(err error) {
		once.Do(func() {
			var snooze *SnoozeError
			if err != nil && !errors.As(err, &snooze) {
				span.RecordError(err)
				span.SetStatus(codes.Error, headerText(err.Error(), maxText))
			}
			span.End()
		})
	}
	stop := context.AfterFunc(ctx, func() { end(ctx.Err()) })
	return spanCtx, func(err error) { //nolint:spancheck // The caller ends it.
		stop()
		end(err)
	}
}

// incomingHeaders are read as they are: an HTTP header type would change their names.
type incomingHeaders Header

func (h incomingHeaders) Get(name string) string { return Header(h).Get(name) }
func (h incomingHeaders) Set(string, string)     {}

func (h incomingHeaders) Keys() []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	return names
}

// outgoingHeaders takes what a header can hold: baggage may hold anything, and a trace is no reason
// for a message not to be sent.
type outgoingHeaders map[string]string

func (h outgoingHeaders) Get(name string) string { return h[name] }

func (h outgoingHeaders) Set(name, value string) {
	if _, isThere := h[name]; !isThere && isPlain(value) {
		h[name] = value
	}
}

func (h outgoingHeaders) Keys() []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	return names
}
