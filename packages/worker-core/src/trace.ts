import {
  type Attributes,
  type Context as TraceContext,
  context,
  type Link,
  propagation,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapSetter,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { coreVersion } from "./config.ts";
import { describeError, Snooze } from "./errors.ts";
import type { Context } from "./handle.ts";

/** What a span tells of its message; a handler's context has it all. */
export type SpanMessage = Pick<Context, "eventId" | "attempt" | "subject" | "headers" | "signal">;

/**
 * Adds the current trace context to headers to publish: `traceparent` and `tracestate`, or what else the
 * application's propagator writes. Headers that are there already stay. Does nothing without an SDK.
 */
export function inject(headers: Record<string, string>): void {
  if (activeTracer() !== undefined && !Object.hasOwn(headers, "traceparent")) {
    propagation.inject(context.active(), headers, setter);
  }
}

/** Whether the application has an OpenTelemetry SDK: without one there is nothing to inject and no span. */
export function isTracing(): boolean {
  return activeTracer() !== undefined;
}

/**
 * Runs a handler in a span `process <group>` whose parent is the message's publisher.
 *
 * The span ends with the handler, or when the message's signal aborts: a handler past its deadline may never
 * end. An error is recorded and makes the span fail, a Snooze does not. Gives back what `run` returns or throws,
 * a promise as a promise; without an SDK it only calls it.
 */
export function withSpan<R>(group: string, message: SpanMessage, run: () => R): R {
  const tracer = activeTracer();
  if (tracer === undefined) {
    return run();
  }
  const parent = publisherOf(message);
  const attributes = {
    "messaging.system": "nats",
    "messaging.destination.name": message.subject,
    "messaging.message.id": message.eventId,
    "muster.attempt": message.attempt,
  };
  return inSpan(startSpan(tracer, group, attributes, parent), parent, message.signal, run);
}

/** As {@link withSpan}, for one call that works on several messages: a trace of its own, linked to theirs. */
export function withBatchSpan<R>(group: string, messages: readonly SpanMessage[], run: () => R): R {
  const [first] = messages;
  const tracer = activeTracer();
  if (tracer === undefined || first === undefined) {
    return run();
  }
  const attributes = { "messaging.system": "nats", "messaging.batch.message_count": messages.length };
  const span = startSpan(tracer, group, attributes, ROOT_CONTEXT, messages.flatMap(linkTo));
  return inSpan(span, ROOT_CONTEXT, first.signal, run);
}

// The API hands out tracers that do nothing until there is an SDK; this asks without making one.
function activeTracer(): Tracer | undefined {
  const provider = trace.getTracerProvider();
  return provider instanceof ProxyTracerProvider
    ? provider.getDelegateTracer("muster", coreVersion)
    : provider.getTracer("muster", coreVersion);
}

// From the root: what is active here is whatever was when the worker connected.
function publisherOf({ headers }: SpanMessage): TraceContext {
  return propagation.extract(ROOT_CONTEXT, headers);
}

function linkTo(message: SpanMessage): Link[] {
  const publisher = trace.getSpanContext(publisherOf(message));
  return publisher === undefined
    ? []
    : [{ context: publisher, attributes: { "messaging.message.id": message.eventId } }];
}

function startSpan(
  tracer: Tracer,
  group: string,
  attributes: Attributes,
  parent: TraceContext,
  links: Link[] = [],
): Span {
  return tracer.startSpan(`process ${group}`, { kind: SpanKind.CONSUMER, attributes, links }, parent);
}

function inSpan<R>(span: Span, parent: TraceContext, signal: AbortSignal, run: () => R): R {
  let isOpen = true;
  const end = (thrown?: { error: unknown }): void => {
    if (!isOpen) {
      return;
    }
    isOpen = false;
    signal.removeEventListener("abort", onAbort);
    if (thrown !== undefined && !(thrown.error instanceof Snooze)) {
      const { error } = describeError(thrown.error);
      span.recordException(thrown.error instanceof Error ? thrown.error : error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: error });
    }
    span.end();
  };
  const onAbort = (): void => end({ error: signal.reason });
  signal.addEventListener("abort", onAbort);
  return context.with(trace.setSpan(parent, span), () => {
    try {
      const result = run();
      if (isThenable(result)) {
        // Beside the handler's own promise, which goes on as it is.
        result.then(
          () => end(),
          (error: unknown) => end({ error }),
        );
      } else {
        end();
      }
      return result;
    } catch (error) {
      end({ error });
      throw error;
    }
  });
}

const printable = /^[ -~]*$/;

const setter: TextMapSetter<Record<string, string>> = {
  set(headers, name, value) {
    // Baggage may hold anything, and a trace is no reason for a message not to be sent.
    if (!Object.hasOwn(headers, name) && printable.test(value)) {
      headers[name] = value;
    }
  },
};

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
