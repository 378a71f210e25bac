import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type NatsServer, startNats, stopProcess, waitFor } from "@muster/testkit";
import { Publisher, type PublishItem } from "../src/publisher.ts";
import { Answerer, headersOf, inside, Job, nameFor, Stream, traces } from "./publisher-bed.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats({ config: "max_payload: 65536" });
});
afterAll(() => server.stop());

test("every message has an answer when the server is killed, and is stored once when published again", async () => {
  await using own = await startNats({ config: "jetstream {sync_interval: always}" });
  await using stream = await Stream.create(own);
  const publisher = stream.publisher({ timeoutMs: 20_000 });
  const eventIds = Array.from({ length: 4000 }, (_, n) => `e-${n}`);
  const accepted = new Set<string>();
  let pending = eventIds;
  let unknown = 0;
  let kills = 0;
  for (let round = 0; pending.length > 0; round++) {
    expect(round).toBeLessThan(20);
    let sent = 0;
    let killing: Promise<void> | undefined;
    const killAt = Math.floor(pending.length / 2);
    function* items(): Iterable<PublishItem<Job>> {
      for (const eventId of pending) {
        if (++sent === killAt && kills < 2) {
          kills += 1;
          killing = own.restart();
        }
        yield { subject: stream.subject, value: { job: eventId }, eventId };
      }
    }
    const results = await publisher.publishAll(items());
    await killing;
    expect(results).toHaveLength(pending.length);
    const again: string[] = [];
    for (const result of results) {
      if (result.ok) {
        accepted.add(result.eventId);
      } else {
        expect(result.error.code).toBe("unreachable");
        again.push(result.eventId);
      }
    }
    unknown += again.length;
    pending = again;
  }
  expect(kills).toBe(2);
  expect(unknown).toBeGreaterThan(0);
  expect(accepted.size).toBe(4000);
  const stored = (await stream.messages()).map((message) => headersOf(message)["Muster-Event-Id"]);
  expect(stored).toHaveLength(4000);
  expect(new Set(stored)).toEqual(new Set(eventIds));
});

test("while disconnected a message waits for the connection, within its time and no longer", async () => {
  await using own = await startNats({ config: "jetstream {sync_interval: always}" });
  await using stream = await Stream.create(own);
  const patient = stream.publisher({ timeoutMs: 20_000 });
  const hasty = stream.publisher({ timeoutMs: 300 });
  await hasty.publish(stream.subject, { job: "before" });
  await own.kill();
  await waitFor("the loss to be seen", () => !inside(stream.nats).connected);
  const waiting = patient.publish(stream.subject, { job: "patient" });
  await expect(hasty.publish(stream.subject, { job: "hasty" })).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringContaining("not connected for 300 ms; it was not sent"),
  });
  await own.restart();
  expect(await waiting).toMatchObject({ sequence: 2 });
  await waitFor("another one", () => hasty.publish(stream.subject, { job: "after" }));
  // What was given up is not sent later.
  const jobs = (await stream.messages()).map((message) => message.json<Job>().job);
  expect(jobs).toEqual(["before", "patient", "after"]);
});

test("a server that hangs leaves it unknown, and publishing again stores it once", async () => {
  await using own = await startNats();
  await using stream = await Stream.create(own);
  const publisher = stream.publisher({ timeoutMs: 500 });
  await stopProcess(own.pid);
  try {
    await expect(publisher.publish(stream.subject, { job: "a" }, { eventId: "e" })).rejects.toMatchObject({
      code: "unreachable",
    });
  } finally {
    process.kill(own.pid, "SIGCONT");
  }
  const again = await waitFor("an answer", () =>
    publisher.publish(stream.subject, { job: "a" }, { eventId: "e" }),
  );
  expect(again).toMatchObject({ sequence: 1, duplicate: true });
  expect(await stream.messages()).toHaveLength(1);
});

test("draining waits for the answers, takes no more, and leaves nothing on the connection", async () => {
  await using stream = await Stream.create(server);
  const before = traces(stream.nats);
  const slow = new Answerer(stream.nats, nameFor("slow"));
  const publisher = stream.publisher({ maxInFlight: 1 });
  const publishing = [1, 2].map(() => publisher.publish(slow.subject, { job: "a" }));
  await waitFor("the first", () => slow.requests.length === 1);
  let isDrained = false;
  const draining = publisher.drain().then(() => (isDrained = true));
  await expect(publisher.publish(slow.subject, { job: "a" })).rejects.toMatchObject({ code: "closed" });
  slow.answer();
  await waitFor("the second", () => slow.requests.length === 2);
  expect(isDrained).toBe(false);
  slow.answer();
  await draining;
  expect(await Promise.all(publishing)).toHaveLength(2);
  slow.stop();
  await publisher.drain();
  expect(traces(stream.nats)).toEqual(before);
  expect(stream.nats.isClosed()).toBe(false);
});

test("when the connection is closed everything under way has its answer", async () => {
  await using stream = await Stream.create(server);
  const nats = await connect({ servers: server.url });
  const silent = new Answerer(stream.nats, nameFor("silent"));
  const publisher = new Publisher({ nats, contract: Job, maxInFlight: 1, timeoutMs: 60_000 });
  const all = Promise.allSettled([1, 2].map(() => publisher.publish(silent.subject, { job: "a" })));
  await waitFor("the first", () => silent.requests.length === 1);
  await nats.close();
  for (const result of await all) {
    expect(result).toMatchObject({ reason: { code: "unreachable" } });
  }
  await expect(publisher.publish(silent.subject, { job: "a" })).rejects.toMatchObject({
    code: "unreachable",
  });
  await publisher.drain();
});
