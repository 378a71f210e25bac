import { context, diag, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RetryableError, Snooze } from "../src/errors.ts";
import { inject, isTracing, type SpanMessage, withBatchSpan, withSpan } from "../src/trace.ts";

const exporter = new InMemorySpanExporter();

/** What an application does at its start. */
function registerSdk(): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(
    new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
  );
  trace.setGlobalTracerProvider(
    new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
  );
}

beforeEach(registerSdk);
afterEach(() => {
  trace.disable();
  propagation.disable();
  context.disable();
  exporter.reset();
});

test("the publisher's span is the parent of the handler's, and that of what the handler publishes", async () => {
  const headers: Record<string, string> = {};
  const publisher = trace.getTracer("test").startSpan("publish");
  context.with(trace.setSpan(context.active(), publisher), () => inject(headers));
  publisher.end();
  expect(Object.keys(headers)).toEqual(["traceparent"]);

  const further: Record<string, string> = {};
  const result = await withSpan("billing", message({ headers }), async () => {
    await Promise.resolve();
    inject(further);
    return "done";
  });
  expect(result).toBe("done");
  const [, span] = exporter.getFinishedSpans();
  expect(span).toMatchObject({
    name: "process billing",
    kind: SpanKind.CONSUMER,
    attributes: {
      "messaging.system": "nats",
      "messaging.destination.name": "orders.created",
      "messaging.message.id": "o-1.created",
      "muster.attempt": 2,
    },
    status: { code: SpanStatusCode.UNSET },
  });
  expect(span?.parentSpanContext?.spanId).toBe(publisher.spanContext().spanId);
  expect(span?.spanContext().traceId).toBe(publisher.spanContext().traceId);
  expect(further["traceparent"]).toContain(span?.spanContext().spanId);
});

test("the trace state goes along", () => {
  const headers = {
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate: "vendor=1",
  };
  const further: Record<string, string> = {};
  withSpan("g", message({ headers }), () => inject(further));
  expect(further["traceparent"]).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-/);
  expect(further["tracestate"]).toBe("vendor=1");
});

test("a message without a trace begins one, whatever is active where the worker started", () => {
  const startup = trace.getTracer("test").startSpan("startup");
  context.with(trace.setSpan(context.active(), startup), () => withSpan("g", message({}), () => undefined));
  const [span] = exporter.getFinishedSpans();
  expect(span?.parentSpanContext).toBeUndefined();
  expect(span?.spanContext().traceId).not.toBe(startup.spanContext().traceId);
});

test("only the lower-case header counts, and a broken one is no trace", () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  for (const headers of [{ Traceparent: traceparent }, { traceparent: "00-zz-1-01" }, { traceparent: "" }]) {
    withSpan("g", message({ headers }), () => undefined);
  }
  for (const span of exporter.getFinishedSpans()) {
    expect(span.parentSpanContext).toBeUndefined();
  }
  expect(exporter.getFinishedSpans()).toHaveLength(3);
});

test("an error is recorded, thrown at once or later, and passed on as it is", async () => {
  const error = new RetryableError("no stock");
  expect(() =>
    withSpan("g", message({}), () => {
      throw error;
    }),
  ).toThrow(error);
  await expect(withSpan("g", message({}), () => Promise.reject(error))).rejects.toBe(error);
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a handler may
  await expect(withSpan("g", message({}), () => Promise.reject("text"))).rejects.toBe("text");
  const spans = exporter.getFinishedSpans();
  expect(spans.map(({ status }) => status)).toEqual([
    { code: SpanStatusCode.ERROR, message: "no stock" },
    { code: SpanStatusCode.ERROR, message: "no stock" },
    { code: SpanStatusCode.ERROR, message: "text" },
  ]);
  expect(spans[1]?.events[0]).toMatchObject({
    name: "exception",
    attributes: { "exception.type": "RetryableError", "exception.message": "no stock" },
  });
});

test("a snoozed message has not failed", async () => {
  await expect(withSpan("g", message({}), () => Promise.reject(new Snooze(1000)))).rejects.toThrow();
  expect(exporter.getFinishedSpans()).toMatchObject([{ status: { code: SpanStatusCode.UNSET }, events: [] }]);
});

test("the span ends at the deadline, and what the handler does later changes nothing", async () => {
  const controller = new AbortController();
  const handler = Promise.withResolvers<string>();
  const result = withSpan("g", message({ signal: controller.signal }), () => handler.promise);
  expect(exporter.getFinishedSpans()).toHaveLength(0);
  controller.abort(new DOMException("handler exceeded 100 ms", "TimeoutError"));
  const failed = [{ status: { code: SpanStatusCode.ERROR, message: "handler exceeded 100 ms" } }];
  expect(exporter.getFinishedSpans()).toMatchObject(failed);
  const complaints: string[] = [];
  const complain = (text: string) => complaints.push(text);
  diag.setLogger({ error: complain, warn: complain, info: complain, debug: complain, verbose: complain });
  handler.resolve("late");
  expect(await result).toBe("late");
  expect(exporter.getFinishedSpans()).toMatchObject(failed);
  expect(complaints).toEqual([]);
  diag.disable();
});

test("a batch has a trace of its own with a link to each publisher", async () => {
  const traceIds = ["0af7651916cd43dd8448eb211c80319c", "1bf7651916cd43dd8448eb211c80319c"];
  const messages = traceIds.map((id) =>
    message({ headers: { traceparent: `00-${id}-b7ad6b7169203331-01` } }),
  );
  await withBatchSpan("g", [...messages, message({})], () => Promise.reject(new Error("all of it"))).catch(
    () => undefined,
  );
  const [span] = exporter.getFinishedSpans();
  expect(span).toMatchObject({
    name: "process g",
    attributes: { "messaging.system": "nats", "messaging.batch.message_count": 3 },
    status: { code: SpanStatusCode.ERROR, message: "all of it" },
  });
  expect(span?.parentSpanContext).toBeUndefined();
  expect(span?.links.map((link) => link.context.traceId)).toEqual(traceIds);
});

test("headers that are there already are not replaced, and none is sent that the wire does not take", () => {
  propagation.disable();
  propagation.setGlobalPropagator({
    inject: (_context, carrier, setter) => {
      setter.set(carrier, "traceparent", "ours");
      setter.set(carrier, "tracestate", "ours");
      setter.set(carrier, "baggage", "a\r\nNats-Rollup: all");
    },
    extract: (parent) => parent,
    fields: () => [],
  });
  const injectInto = (headers: Record<string, string>) => {
    inject(headers);
    return headers;
  };
  expect(injectInto({})).toEqual({ traceparent: "ours", tracestate: "ours" });
  expect(injectInto({ tracestate: "given" })).toEqual({ traceparent: "ours", tracestate: "given" });
  // A foreign state beside a given parent would belong to another trace.
  expect(injectInto({ traceparent: "given" })).toEqual({ traceparent: "given" });
});

test("without an SDK nothing is injected, no span is made and the signal is not asked for", () => {
  trace.disable();
  const headers: Record<string, string> = {};
  inject(headers);
  expect(headers).toEqual({});
  expect(isTracing()).toBe(false);
  const untouched = Object.defineProperty({ ...message({}) }, "signal", {
    get: () => {
      throw new Error("asked for");
    },
  });
  expect(withSpan("g", untouched, () => 1)).toBe(1);
  expect(withBatchSpan("g", [untouched], () => 2)).toBe(2);
});

test("an SDK that comes later is used from then on", () => {
  trace.disable();
  withSpan("g", message({}), () => undefined);
  registerSdk();
  expect(isTracing()).toBe(true);
  withSpan("g", message({}), () => undefined);
  expect(exporter.getFinishedSpans()).toHaveLength(1);
});

function message(change: Partial<SpanMessage>): SpanMessage {
  return {
    eventId: "o-1.created",
    attempt: 2,
    subject: "orders.created",
    headers: {},
    signal: new AbortController().signal,
    ...change,
  };
}
