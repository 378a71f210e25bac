import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { DiscardPolicy } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type NatsServer, startNats } from "@muster/testkit";
import { z } from "zod";
import { PublishError } from "../src/publish-error.ts";
import type { PublishOptions } from "../src/publish-message.ts";
import { Publisher, type PublisherOptions } from "../src/publisher.ts";
import { withSpan } from "../src/trace.ts";
import { Answerer, headersOf, Job, nameFor, Stream } from "./publisher-bed.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats({ config: "max_payload: 65536" });
});
afterAll(() => server.stop());

test("an accepted message is in its stream with its ids and its contract", async () => {
  await using stream = await Stream.create(server);
  const published = await stream
    .publisher()
    .publish(stream.subject, { job: "a" }, { eventId: "o-1.created" });
  expect(published).toEqual({ stream: stream.name, sequence: 1, duplicate: false, eventId: "o-1.created" });
  const [message] = await stream.messages();
  expect(message?.subject).toBe(stream.subject);
  expect(message?.string()).toBe('{"job":"a"}');
  expect(headersOf(message)).toEqual({
    "Muster-Event-Id": "o-1.created",
    "Muster-Contract": "job.v1",
    "Nats-Msg-Id": "o-1.created",
  });
});

test("an event id is made where none is given, another one each time", async () => {
  await using stream = await Stream.create(server);
  const publisher = stream.publisher();
  const ids = [];
  for (let n = 0; n < 2; n++) {
    ids.push((await publisher.publish(stream.subject, { job: "a" })).eventId);
  }
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(ids[1]).not.toBe(ids[0]);
  expect((await stream.messages()).map((message) => headersOf(message)["Muster-Event-Id"])).toEqual(ids);
});

test("the same event is stored once, a corrected one under another message id beside it", async () => {
  await using stream = await Stream.create(server);
  const publisher = stream.publisher();
  const publish = (options: PublishOptions) => publisher.publish(stream.subject, { job: "a" }, options);
  const first = await publish({ eventId: "e" });
  expect(await publish({ eventId: "e" })).toEqual({ ...first, duplicate: true });
  expect(await publish({ eventId: "e", msgId: "e.corrected" })).toMatchObject({
    sequence: 2,
    duplicate: false,
  });
  expect(await publish({ eventId: "e", msgId: false })).toMatchObject({ sequence: 3, duplicate: false });
  const messages = await stream.messages();
  expect(messages.map((message) => headersOf(message)["Nats-Msg-Id"])).toEqual([
    "e",
    "e.corrected",
    undefined,
  ]);
  expect(messages.map((message) => headersOf(message)["Muster-Event-Id"])).toEqual(["e", "e", "e"]);
});

test("further headers and another name of the contract go along", async () => {
  await using stream = await Stream.create(server);
  const publisher = stream.publisher();
  await publisher.publish(
    stream.subject,
    { job: "a" },
    { eventId: "1", headers: { "X-Own": "a: b", Empty: "" } },
  );
  await publisher.publish(stream.subject, { job: "a" }, { eventId: "2", contract: "job.v2", msgId: false });
  await publisher.publish(stream.subject, { job: "a" }, { eventId: "3", contract: false, msgId: false });
  const [first, second, third] = (await stream.messages()).map(headersOf);
  expect(first).toMatchObject({ "X-Own": "a: b", Empty: "" });
  expect(second).toEqual({ "Muster-Event-Id": "2", "Muster-Contract": "job.v2" });
  expect(third).toEqual({ "Muster-Event-Id": "3" });
});

test("what does not match the contract is not sent, and the error says where", async () => {
  await using stream = await Stream.create(server);
  const publisher = stream.publisher();
  // @ts-expect-error -- the compiler knows the contract, too
  await expect(publisher.publish(stream.subject, { job: 7 }, { eventId: "e-1" })).rejects.toMatchObject({
    code: "invalid",
    eventId: "e-1",
    message: `publish of e-1 to ${stream.subject}: does not match job.v1 at /job`,
  });
  const cyclic: Record<string, unknown> = {};
  cyclic["job"] = cyclic;
  const bad: [unknown, RegExp][] = [
    [{ job: "a", more: 1 }, /at \//],
    [{ job: Number.NaN }, /at \/job/],
    [{ job: "\ud800" }, /lone surrogate/],
    [JSON.parse("[".repeat(70) + "]".repeat(70)), /nested deeper than 64/],
    [undefined, /cannot be written as JSON/],
    [() => 1, /cannot be written as JSON/],
    [{ job: 1n }, /cannot be written as JSON/],
    [cyclic, /cannot be written as JSON/],
  ];
  for (const [value, message] of bad) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- on purpose
    await expect(publisher.publish(stream.subject, value as Job)).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringMatching(message),
    });
  }
  expect(await stream.messages()).toHaveLength(0);
});

test("a JSON Schema is a contract as well", async () => {
  await using stream = await Stream.create(server);
  const schema = { title: "plain.v1", type: "object", required: ["n"], properties: { n: { maximum: 5 } } };
  await using publisher = new Publisher({ nats: stream.nats, contract: schema });
  await publisher.publish(stream.subject, { n: 5 });
  await expect(publisher.publish(stream.subject, { n: 6 })).rejects.toMatchObject({
    code: "invalid",
    message: expect.stringContaining("does not match plain.v1 at /n"),
  });
  await using named = new Publisher({ nats: stream.nats, contract: z.string(), name: "text.v1" });
  await named.publish(stream.subject, "a");
  expect((await stream.messages()).map((message) => headersOf(message)["Muster-Contract"])).toEqual([
    "plain.v1",
    "text.v1",
  ]);
});

test("a contract that cannot be named or judged by is refused at once", async () => {
  await using stream = await Stream.create(server);
  const create = (options: Omit<PublisherOptions, "nats">) => () =>
    new Publisher({ nats: stream.nats, ...options });
  expect(create({ contract: z.string() })).toThrow(expect.objectContaining({ code: "bad_name" }));
  expect(create({ contract: Job, name: "job v1" })).toThrow(expect.objectContaining({ code: "bad_name" }));
  expect(create({ contract: z.date(), name: "date" })).toThrow(
    expect.objectContaining({ code: "bad_schema" }),
  );
  expect(create({ contract: { title: "bad.v1", type: "nothing" } })).toThrow(
    expect.objectContaining({ code: "bad_schema" }),
  );
});

test("a subject nobody could filter for is refused", async () => {
  await using stream = await Stream.create(server);
  const publisher = stream.publisher();
  for (const subject of ["", " ", "a b", "a.*", "a.>", "a..b", ".a", "a.", "a\r\nPING", "ü"]) {
    await expect(publisher.publish(subject, { job: "a" })).rejects.toMatchObject({ code: "bad_subject" });
  }
});

test("a header cannot carry a line end, a forged fact or anything that is not printable", async () => {
  await using stream = await Stream.create(server);
  const publisher = stream.publisher();
  const bad: PublishOptions[] = [
    { headers: { "X-Own": "a\r\nNats-Rollup: all" } },
    { headers: { "X-Own": "a\nb" } },
    { headers: { "X-Own": "grüße" } },
    { headers: { "X-Own": "\0" } },
    { headers: { "X: Own": "a" } },
    { headers: { "X\r\nOwn": "a" } },
    { headers: { "": "a" } },
    { headers: { "Muster-Event-Id": "a" } },
    { headers: { "muster-contract": "a" } },
    { headers: { "Nats-Msg-Id": "a" } },
    { headers: { "Muster-Dlq-Reason": "permanent" } },
    { headers: { "Muster-Replay-Number": "3" } },
    { headers: { "Muster-Original-Nats-Msg-Id": "a" } },
    { eventId: "" },
    { eventId: " a" },
    { eventId: "a " },
    { eventId: "a\r\nb", msgId: "fine" },
    { msgId: "" },
    { msgId: "ü" },
    { contract: "a\nb" },
  ];
  for (const options of bad) {
    await expect(publisher.publish(stream.subject, { job: "a" }, options)).rejects.toMatchObject({
      code: "bad_header",
      message: expect.stringMatching(/^[ -~]*$/),
    });
  }
  expect(await stream.messages()).toHaveLength(0);
});

test("what is too large for the server or for the stream is told with its figures", async () => {
  await using stream = await Stream.create(server, { max_msg_size: 2000 });
  const publisher = stream.publisher();
  await expect(publisher.publish(stream.subject, { job: "x".repeat(65_536) })).rejects.toMatchObject({
    code: "too_large",
    message: expect.stringMatching(
      /65546 bytes and [0-9]+ of headers are over the server's max_payload of 65536/,
    ),
  });
  await expect(publisher.publish(stream.subject, { job: "x".repeat(2000) })).rejects.toMatchObject({
    code: "too_large",
    errorCode: 10054,
    message: expect.stringContaining("max_msg_size"),
  });
  // Headers count, and what just fits goes through.
  const head = "NATS/1.0\r\nMuster-Event-Id: e\r\nNats-Msg-Id: e\r\nMuster-Contract: job.v1\r\n\r\n".length;
  await using wide = await Stream.create(server);
  const fits = "x".repeat(65_536 - head - '{"job":""}'.length);
  await wide.publisher().publish(wide.subject, { job: fits }, { eventId: "e" });
  await expect(
    wide.publisher().publish(wide.subject, { job: `${fits}x` }, { eventId: "e" }),
  ).rejects.toMatchObject({ code: "too_large" });
});

test("a subject that no stream takes is told, and a stream that comes a moment later is waited for", async () => {
  await using stream = await Stream.create(server);
  const publisher = stream.publisher();
  await expect(publisher.publish("nobody.takes", { job: "a" })).rejects.toMatchObject({
    code: "no_stream",
    message: expect.stringContaining("nobody.takes"),
  });
  const late = nameFor("late");
  const publishing = publisher.publish(`${late}.job`, { job: "a" });
  await stream.nats.flush();
  await stream.jsm.streams.add({ name: late, subjects: [`${late}.>`] });
  expect(await publishing).toMatchObject({ stream: late, sequence: 1 });
});

test("a full stream and another refusal are told with the server's code", async () => {
  await using stream = await Stream.create(server, { max_msgs: 1, discard: DiscardPolicy.New });
  const publisher = stream.publisher();
  await publisher.publish(stream.subject, { job: "a" });
  await expect(publisher.publish(stream.subject, { job: "b" })).rejects.toMatchObject({
    code: "stream_full",
    errorCode: 10077,
  });
  await expect(
    publisher.publish(stream.subject, { job: "c" }, { headers: { "Nats-Expected-Stream": "OTHER" } }),
  ).rejects.toMatchObject({ code: "refused", errorCode: 10060 });
});

test("what the account does not permit is refused at once", async () => {
  const users = [
    "{user: all, password: p}",
    '{user: narrow, password: p, permissions: {publish: ["$JS.API.>"], subscribe: ["_INBOX.>"]}}',
    '{user: deaf, password: p, permissions: {subscribe: ["_INBOX_deaf.>"]}}',
  ];
  await using secured = await startNats({ config: `authorization: {users: [${users.join(",")}]}` });
  await using stream = await Stream.create(secured, {}, { user: "all", pass: "p" });
  await using narrow = await connect({ servers: secured.url, user: "narrow", pass: "p" });
  await expect(
    new Publisher({ nats: narrow, contract: Job, timeoutMs: 60_000 }).publish(stream.subject, { job: "a" }),
  ).rejects.toMatchObject({ code: "refused", message: expect.stringContaining("Permissions Violation") });
  await using deaf = await connect({ servers: secured.url, user: "deaf", pass: "p" });
  const publisher = new Publisher({ nats: deaf, contract: Job, timeoutMs: 60_000, maxInFlight: 1 });
  const unanswered = [1, 2].map(() => publisher.publish(stream.subject, { job: "a" }));
  for (const result of await Promise.allSettled(unanswered)) {
    expect(result).toMatchObject({
      reason: { message: expect.stringContaining("its answers cannot be received") },
    });
  }
  await expect(publisher.publish(stream.subject, { job: "a" })).rejects.toMatchObject({ code: "refused" });
  await using prefixed = new Publisher({ nats: deaf, contract: Job, inboxPrefix: "_INBOX_deaf" });
  await prefixed.publish(stream.subject, { job: "a" });
});

test("no answer, or one that is none, leaves it unknown", async () => {
  await using stream = await Stream.create(server);
  const silent = new Answerer(stream.nats, nameFor("silent"));
  const publisher = stream.publisher({ timeoutMs: 400 });
  const began = performance.now();
  const error: unknown = await publisher
    .publish(silent.subject, { job: "a" }, { eventId: "e" })
    .catch((thrown: unknown) => thrown);
  expect(performance.now() - began).toBeGreaterThanOrEqual(399);
  expect(error).toBeInstanceOf(PublishError);
  expect(error).toMatchObject({
    code: "unreachable",
    eventId: "e",
    message: `publish of e to ${silent.subject}: no answer in 400 ms; it may have been accepted: publish the same again with the same event id`,
  });
  for (const answer of ["", "hello", "[]", '{"stream":"S"}', '{"seq":"1"}']) {
    const odd = new Answerer(stream.nats, nameFor("odd"), answer);
    await expect(publisher.publish(odd.subject, { job: "a" })).rejects.toMatchObject({ code: "unreachable" });
  }
});

test("the publisher's trace goes on in the handler", async () => {
  const exporter = new InMemorySpanExporter();
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(
    new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
  );
  try {
    await using stream = await Stream.create(server);
    const publisher = stream.publisher();
    const span = trace.getTracer("test").startSpan("order");
    await context.with(trace.setSpan(context.active(), span), () =>
      publisher.publish(stream.subject, { job: "a" }, { headers: { "X-Own": "kept" } }),
    );
    const [message] = await stream.messages();
    const headers = headersOf(message);
    await context.with(trace.setSpan(context.active(), span), () =>
      publisher.publish(stream.subject, { job: "b" }),
    );
    expect(headersOf((await stream.messages())[1])["traceparent"]).toBe(headers["traceparent"]);
    expect(headers).toMatchObject({ "X-Own": "kept", traceparent: expect.any(String) });
    const { signal } = new AbortController();
    withSpan("g", { eventId: "e", attempt: 1, subject: stream.subject, headers, signal }, () => undefined);
    const [handler] = exporter.getFinishedSpans();
    expect(handler?.parentSpanContext?.spanId).toBe(span.spanContext().spanId);
  } finally {
    trace.disable();
    propagation.disable();
    context.disable();
  }
});
