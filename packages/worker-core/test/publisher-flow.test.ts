import { afterAll, beforeAll, expect, test } from "vitest";
import { type NatsServer, startNats, waitFor } from "@muster/testkit";
import type { PublishItem } from "../src/publisher.ts";
import { Answerer, headersOf, type Job, nameFor, Stream } from "./publisher-bed.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats({ config: "max_payload: 65536" });
});
afterAll(() => server.stop());

test("no more than maxInFlight are sent without an answer, the others wait their turn", async () => {
  await using stream = await Stream.create(server);
  const slow = new Answerer(stream.nats, nameFor("slow"));
  const publisher = stream.publisher({ maxInFlight: 4 });
  const all = Promise.all(Array.from({ length: 10 }, () => publisher.publish(slow.subject, { job: "a" })));
  await waitFor("four", () => slow.requests.length === 4);
  await stream.nats.flush();
  expect(slow.requests).toHaveLength(4);
  slow.answer();
  await waitFor("the fifth", () => slow.requests.length > 4);
  await stream.nats.flush();
  expect(slow.requests).toHaveLength(5);
  while (slow.requests.length < 10 || slow.answered < 10) {
    slow.answer();
    await stream.nats.flush();
  }
  expect(await all).toHaveLength(10);
});

test("what waits behind others has its time from its turn on", async () => {
  await using stream = await Stream.create(server);
  const slow = new Answerer(stream.nats, nameFor("slow"));
  const publisher = stream.publisher({ maxInFlight: 1, timeoutMs: 1000 });
  const all = Promise.all(Array.from({ length: 5 }, () => publisher.publish(slow.subject, { job: "a" })));
  // Each answer takes half of the time, all of them more than twice of it.
  const answering = setInterval(() => slow.answer(), 500);
  expect(await all).toHaveLength(5);
  clearInterval(answering);
});

test("where nothing answers, those that wait fail with those that were sent", async () => {
  await using stream = await Stream.create(server);
  const silent = new Answerer(stream.nats, nameFor("silent"));
  const publisher = stream.publisher({ maxInFlight: 1, timeoutMs: 2000 });
  const began = performance.now();
  const publishing = Array.from({ length: 20 }, () => publisher.publish(silent.subject, { job: "a" }));
  for (const result of await Promise.allSettled(publishing)) {
    expect(result).toMatchObject({ reason: { code: "unreachable" } });
  }
  expect(performance.now() - began).toBeLessThan(4000);
  // None took the place of the first with no time left for its answer.
  expect(silent.requests).toHaveLength(1);
});

test("many are published with a result for each, in their order", async () => {
  await using stream = await Stream.create(server, { max_msg_size: 1000 });
  const items = Array.from({ length: 1000 }, (_, n): PublishItem<Job> => {
    const item = { subject: stream.subject, value: { job: "a" }, eventId: `e-${n}` };
    if (n % 100 === 50) return { ...item, subject: "bad.*" };
    return n % 100 === 51 ? { ...item, value: { job: "x".repeat(2000) } } : item;
  });
  const results = await stream.publisher().publishAll(items);
  expect(results).toHaveLength(1000);
  for (const [n, result] of results.entries()) {
    if (n % 100 === 50) expect(result).toMatchObject({ ok: false, error: { code: "bad_subject" } });
    else if (n % 100 === 51) expect(result).toMatchObject({ ok: false, error: { code: "too_large" } });
    else expect(result).toMatchObject({ ok: true, eventId: `e-${n}`, duplicate: false });
  }
  expect((await stream.messages()).map((message) => headersOf(message)["Muster-Event-Id"])).toEqual(
    items.filter((_, n) => n % 100 !== 50 && n % 100 !== 51).map(({ eventId }) => eventId),
  );
});

test("an iterable is read no faster than its messages are answered", async () => {
  await using stream = await Stream.create(server);
  const slow = new Answerer(stream.nats, nameFor("slow"));
  const publisher = stream.publisher({ maxInFlight: 3 });
  let read = 0;
  function* items(): Iterable<PublishItem<Job>> {
    for (; read < 8; read++) yield { subject: slow.subject, value: { job: "a" } };
  }
  const publishing = publisher.publishAll(items());
  await waitFor("three", () => slow.requests.length === 3);
  await stream.nats.flush();
  expect(read).toBeLessThanOrEqual(4);
  while (slow.answered < 8) {
    slow.answer();
    await stream.nats.flush();
  }
  expect(await publishing).toHaveLength(8);
});
