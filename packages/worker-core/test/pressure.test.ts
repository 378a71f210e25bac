import { afterAll, beforeAll, expect, test } from "vitest";
import type { NatsServer } from "@muster/testkit";
import { startNats, waitFor } from "@muster/testkit";
import { delay } from "../src/clock.ts";
import { TestGroup } from "./group.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

const waiting = 100_000;

test("with a blocked handler and 100,000 messages waiting, the process holds 2 × concurrency and grows no more", async () => {
  await using group = await TestGroup.create(server, {
    ledger: "none",
    concurrency: 50,
    ack_wait_ms: 60_000,
  });
  for (let n = 0; n < waiting; n++) {
    group.nats.publish(`${group.stream}.job`, `{"job":"${n}"}`);
    if (n % 1000 === 999) {
      await group.nats.flush();
    }
  }
  await waitFor(
    "all to be stored",
    async () => (await group.jsm.streams.info(group.stream)).state.messages === waiting,
  );
  const release = Promise.withResolvers<void>();
  const worker = await group.worker(() => release.promise);
  const info = () => group.jsm.consumers.info(group.stream, "g");
  await waitFor("the process to be full", async () => (await info()).num_ack_pending === 100);
  const before = memory();
  // Five heartbeats, each with a poll and every other timer of the core in between.
  for (let beats = 0, last = ""; beats < 5; ) {
    const [record] = await group.members();
    const seen = JSON.stringify(record?.held) + String(record?.started_at);
    beats += seen === last || last === "" ? 1 : 0;
    last = seen;
    await delay(250);
  }
  expect((await info()).num_ack_pending).toBe(100);
  expect((await group.members())[0]?.held).toBe(100);
  expect(memory() - before).toBeLessThan(8 * 1024 * 1024);
  release.resolve();
  await worker.drain();
});

/** Live heap and buffers, without what the collector has not come to yet. */
function memory(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
