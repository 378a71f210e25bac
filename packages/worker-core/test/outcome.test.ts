import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { NatsServer } from "@muster/testkit";
import { startNats, waitFor } from "@muster/testkit";
import { headers } from "@nats-io/transport-node";
import { Snooze } from "../src/index.ts";
import { TestGroup } from "./group.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

test("a handler's result is in the ledger and the message is gone", async () => {
  await using group = await TestGroup.create(server);
  await group.worker();
  const eventId = await group.publish();
  const row = await group.settled(eventId);
  expect(row).toMatchObject({
    event_id: eventId,
    sequence: 1,
    language: "ts",
    result: { event_id: eventId, subject: `${group.stream}.job` },
  });
  await group.empty();
});

test("a retryable failure is tried again and its record is gone when it succeeds", async () => {
  await using group = await TestGroup.create(server);
  await group.worker();
  const eventId = await group.publish({ directive: "retryable;times=1;text=not yet" });
  await group.settled(eventId);
  await group.empty();
  await waitFor("the record to be deleted", async () => (await group.attempts(1)) === undefined);
  expect(await group.deadLetters()).toHaveLength(0);
});

test("a failed attempt is on record with its error while it backs off", async () => {
  await using group = await TestGroup.create(server, { retry: { backoff_ms: [60_000] } });
  const worker = await group.worker();
  await group.publish({ directive: "retryable;text=not yet" });
  const record = await waitFor("the record", () => group.attempts(1));
  expect(record).toMatchObject({ attempts: 1, open: false, delivery: 1 });
  expect(record.history).toMatchObject([
    { attempt: 1, outcome: "failed", error: "not yet", error_class: "RetryableError", delay_ms: 60_000 },
  ]);
  await worker.drain();
});

test("a permanent failure becomes a dead letter with its bytes and headers", async () => {
  await using group = await TestGroup.create(server);
  await group.worker();
  const body = '{ "job" : "spaced" }';
  const eventId = await group.publish({
    body,
    directive: "permanent;text=no such customer",
    headers: { "X-Own": "kept", "Nats-Expected-Stream": group.stream, "Muster-Dlq-Reason": "forged" },
  });
  await group.settled(eventId, "dead");
  await group.empty();
  const [letter, ...others] = await group.deadLetters();
  expect(others).toHaveLength(0);
  expect(letter?.subject).toBe(`muster.dlq.${group.stream}.g.permanent`);
  expect(letter?.string()).toBe(body);
  const header = (name: string) => letter?.header.get(name);
  expect(header("X-Own")).toBe("kept");
  expect(header("Muster-Original-Nats-Expected-Stream")).toBe(group.stream);
  expect(header("Muster-Dlq-Reason")).toBe("permanent");
  expect(header("Muster-Dlq-Error")).toBe("no such customer");
  expect(header("Muster-Dlq-Attempts")).toBe("1");
  expect(header("Muster-Dlq-Version")).toBe("1.2.3");
});

test("attempts used up end in a dead letter with the history of all", async () => {
  await using group = await TestGroup.create(server);
  await group.worker();
  const eventId = await group.publish({ directive: "retryable;text=down" });
  await group.settled(eventId, "dead");
  await group.empty();
  const [letter] = await group.deadLetters();
  expect(letter?.header.get("Muster-Dlq-Reason")).toBe("exhausted");
  expect(letter?.header.get("Muster-Dlq-Attempts")).toBe("3");
  expect(JSON.parse(letter?.header.get("Muster-Dlq-History") ?? "[]")).toHaveLength(3);
});

test("a snooze comes back without counting", async () => {
  await using group = await TestGroup.create(server, { retry: { max_attempts: 1 } });
  let starts = 0;
  await group.worker((_job, context) => {
    starts += 1;
    if (starts <= 3) {
      throw new Snooze(20);
    }
    return { attempt: context.attempt };
  });
  const eventId = await group.publish();
  expect((await group.settled(eventId)).result).toEqual({ attempt: 1 });
});

test("a result that is not JSON or too large is a permanent failure", async () => {
  await using group = await TestGroup.create(server);
  await group.worker((job) => (job.job === "large" ? "x".repeat(8192) : { amount: Number.NaN }));
  const first = await group.publish({ body: '{"job":"large"}' });
  const second = await group.publish({ body: '{"job":"nan"}' });
  for (const eventId of [first, second]) {
    const row = await group.settled(eventId, "dead");
    expect(row.headers?.["Muster-Dlq-Error-Class"]).toBe("InvalidResult");
  }
});

test("what breaks the contract, or names one the group does not take, is dead without a start", async () => {
  await using group = await TestGroup.create(server);
  let starts = 0;
  await group.worker(() => (starts += 1));
  const invalid = await group.publish({ body: "{" });
  const unknown = await group.publish({ headers: { "Muster-Contract": "other.v1" } });
  const empty = await group.publish({ body: "" });
  expect((await group.settled(invalid, "dead")).reason).toBe("invalid");
  expect((await group.settled(unknown, "dead")).reason).toBe("unknown_contract");
  expect((await group.settled(empty, "dead")).headers?.["Muster-Dlq-Error"]).toBe("empty payload");
  await group.empty();
  expect(starts).toBe(0);
});

test("a replay shows the original subject and settles over the dead row", async () => {
  await using group = await TestGroup.create(server);
  await group.worker();
  const eventId = await group.publish({ directive: "permanent" });
  await group.settled(eventId, "dead");
  const replay = headers();
  replay.set("Muster-Event-Id", eventId);
  await group.js.publish(
    `muster.replay.${group.stream}.g.${group.stream}.job`,
    JSON.stringify({ job: eventId }),
    { headers: replay },
  );
  const row = await group.settled(eventId);
  expect(row).toMatchObject({ sequence: 2, sequences: [1], result: { subject: `${group.stream}.job` } });
});

test("headers that the client would refuse are read, and the last of two values wins", async () => {
  await using group = await TestGroup.create(server);
  let seen: Record<string, string> = {};
  await group.worker((_job, context) => {
    seen = { ...context.headers };
  });
  const block = "NATS/1.0\r\nMuster-Event-Id: first\r\nodd name: x\r\nMuster-Event-Id: second\r\n\r\n";
  const body = '{"job":"raw"}';
  await publishRaw(
    server.port,
    `HPUB ${group.stream}.job ${block.length} ${block.length + body.length}\r\n${block}${body}\r\n`,
  );
  await group.settled("second");
  expect(seen["odd name"]).toBe("x");
});

/** Speaks to the server by hand: no client publishes such headers. */
async function publishRaw(port: number, command: string): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.write(`CONNECT {"headers":true,"verbose":false}\r\n${command}PING\r\n`);
  let answer = "";
  for await (const chunk of socket) {
    answer += String(chunk);
    if (answer.includes("PONG")) {
      break;
    }
  }
}
