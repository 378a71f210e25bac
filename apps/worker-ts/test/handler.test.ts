import { readFile } from "node:fs/promises";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { OrderV1 } from "@muster/contracts";
import { PermanentError, RetryableError } from "@muster/worker-core";
import type { NatsServer } from "@muster/testkit";
import { startNats } from "@muster/testkit";
import { createOrderHandler, readWorkMs } from "../src/handler.ts";

interface Case {
  name: string;
  order: OrderV1;
  fraud: "answers" | "silent";
  outcome: "done" | "permanent" | "retryable";
  error?: string;
  result?: unknown;
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the file is ours
const vectors = JSON.parse(
  await readFile(new URL("../../../packages/contracts/vectors/orders.json", import.meta.url), "utf8"),
) as { cases: Case[] };

const small: OrderV1 = {
  id: "1",
  customer: "ada",
  amount: 1,
  status: "pending",
  created_at: "2026-01-01T00:00:00Z",
};
const context = (nats: NatsConnection) => ({ nats, signal: new AbortController().signal });

let server: NatsServer;
let answering: NatsConnection;
let silent: NatsConnection;
beforeAll(async () => {
  // Three accounts: the fraud check answers, somebody listens and never does, and nobody is there.
  server = await startNats({
    config:
      "accounts {\n A { users = [{user: a, password: a}] }\n B { users = [{user: b, password: b}] }\n C { users = [{user: c, password: c}] }\n}",
  });
  answering = await connect({ servers: server.url, user: "a", pass: "a" });
  silent = await connect({ servers: server.url, user: "b", pass: "b" });
  answering.subscribe("fraud.check", {
    callback: (_error, msg) => void msg.respond(JSON.stringify({ ok: true })),
  });
  silent.subscribe("fraud.check", { callback: () => undefined });
});
afterAll(async () => {
  await answering.close();
  await silent.close();
  await server.stop();
});

test.each(vectors.cases)("$name", async ({ order, fraud, outcome, error, result }) => {
  const handle = createOrderHandler({ workMs: 0 });
  const run = handle(order, context(fraud === "answers" ? answering : silent));
  if (outcome === "done") {
    expect(await run).toEqual(result);
    return;
  }
  const thrown: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(thrown).toBeInstanceOf(outcome === "permanent" ? PermanentError : RetryableError);
  expect(thrown).toHaveProperty("message", error);
});

test("no responder to the fraud check is the same as no answer", async () => {
  const lonely = await connect({ servers: server.url, user: "c", pass: "c" });
  await expect(
    createOrderHandler({ workMs: 0 })({ ...small, amount: 10_001 }, context(lonely)),
  ).rejects.toThrow("fraud check timeout");
  await lonely.close();
});

test("the abort cuts the simulated work short", async () => {
  const abort = new AbortController();
  const run = createOrderHandler({ workMs: 60_000 })(small, { nats: answering, signal: abort.signal });
  abort.abort();
  await expect(run).rejects.toThrow();
});

test("ORDER_WORK_MS is a whole number of milliseconds", () => {
  expect(readWorkMs(undefined)).toBe(0);
  expect(readWorkMs("25")).toBe(25);
  expect(() => readWorkMs("-1")).toThrow("ORDER_WORK_MS");
});
