import { afterAll, beforeAll, expect, test } from "vitest";
import type { NatsServer } from "@muster/testkit";
import { startNats, waitFor } from "@muster/testkit";
import { PermanentError, RetryableError, Snooze } from "../src/index.ts";
import { type Job, TestGroup } from "./group.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

const batchOf = (size: number, wait_ms = 200) => ({ mode: "batch" as const, size, wait_ms });

test("a batch is full, or as large as it became while its oldest message waited", async () => {
  await using group = await TestGroup.create(server, { delivery: batchOf(10), concurrency: 10 });
  for (let n = 0; n < 25; n++) {
    await group.publish();
  }
  const sizes: number[] = [];
  await group.batchWorker((messages) => {
    sizes.push(messages.length);
  });
  await group.empty();
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(25);
  expect(Math.max(...sizes)).toBe(10);
});

test("each message of a batch ends by its own outcome", async () => {
  await using group = await TestGroup.create(server, { delivery: batchOf(5), concurrency: 5 });
  for (const eventId of ["good", "bad", "later", "snoozed", "odd"]) {
    await group.publish({ eventId });
  }
  const seen: string[] = [];
  await group.batchWorker((messages) =>
    messages.map((message) => {
      seen.push(`${message.eventId} ${message.attempt}`);
      const first = message.attempt === 1 && message.history.length === 0;
      switch (message.eventId) {
        case "bad":
          return new PermanentError("never");
        case "later":
          return first ? new RetryableError("not yet") : { late: true };
        case "snoozed":
          return first ? new Snooze(30) : { woken: true };
        case "odd":
          return new Error("odd");
        default:
          return { id: message.value.job };
      }
    }),
  );
  expect((await group.settled("good")).result).toEqual({ id: "good" });
  expect((await group.settled("bad", "dead")).reason).toBe("permanent");
  expect((await group.settled("later")).result).toEqual({ late: true });
  expect((await group.settled("snoozed")).result).toEqual({ woken: true });
  expect((await group.settled("odd", "dead")).reason).toBe("exhausted");
  await group.empty();
  expect(seen.filter((text) => text.startsWith("good"))).toEqual(["good 1"]);
  expect(seen.filter((text) => text.startsWith("odd"))).toEqual(["odd 1", "odd 2", "odd 3"]);
  expect(seen.filter((text) => text.startsWith("snoozed"))).toEqual(["snoozed 1", "snoozed 1"]);
});

test("what a batch handler throws, or a wrong number of outcomes, is the outcome of all", async () => {
  await using group = await TestGroup.create(server, {
    delivery: batchOf(3),
    concurrency: 3,
    retry: { max_attempts: 1 },
  });
  await group.batchWorker((messages) => {
    if (messages.some(({ eventId }) => eventId.startsWith("t"))) {
      throw new PermanentError("all of it");
    }
    return [];
  });
  await group.publish({ eventId: "t1" });
  expect((await group.settled("t1", "dead")).headers?.["Muster-Dlq-Error"]).toBe("all of it");
  await group.publish({ eventId: "n1" });
  const row = await group.settled("n1", "dead");
  expect(row.reason).toBe("exhausted");
  expect(row.headers?.["Muster-Dlq-Error"]).toBe("batch handler returned 0 outcomes for 1 messages");
});

test("a batch past its deadline has failed, and what it still returns settles its messages", async () => {
  await using group = await TestGroup.create(server, {
    delivery: batchOf(2, 50),
    concurrency: 2,
    timeout_ms: 100,
    retry: { backoff_ms: [60_000] },
  });
  const release = Promise.withResolvers<void>();
  await group.batchWorker(async (messages) => {
    await release.promise;
    return messages.map(() => "late");
  });
  const eventIds = [await group.publish(), await group.publish()];
  await waitFor("both records", async () => (await group.attempts(1)) && (await group.attempts(2)));
  release.resolve();
  for (const eventId of eventIds) {
    expect((await group.settled(eventId)).result).toBe("late");
  }
  await group.empty();
});

test("a handler for one message works in a batch group, and a batch handler in a pull group", async () => {
  await using batch = await TestGroup.create(server, { delivery: batchOf(10), concurrency: 4 });
  await using pull = await TestGroup.create(server, { concurrency: 4 });
  await batch.worker((job: Job) => ({ one: job.job }));
  const sizes: number[] = [];
  await pull.batchWorker((messages) => {
    sizes.push(messages.length);
    return messages.map(({ value }) => ({ many: value.job }));
  });
  const one = await batch.publish();
  const many = await pull.publish();
  expect((await batch.settled(one)).result).toEqual({ one });
  expect((await pull.settled(many)).result).toEqual({ many });
  expect(sizes).toEqual([1]);
});

test("never more than twice the concurrency is in the process", async () => {
  await using group = await TestGroup.create(server, { delivery: batchOf(5), concurrency: 5 });
  for (let n = 0; n < 60; n++) {
    await group.publish();
  }
  const release = Promise.withResolvers<void>();
  await group.batchWorker(() => release.promise.then(() => undefined));
  const most = await waitFor("the process to be full", async () => {
    const info = await group.jsm.consumers.info(group.stream, "g");
    return info.num_ack_pending >= 10 ? info.num_ack_pending : undefined;
  });
  expect(most).toBe(10);
  release.resolve();
  await group.empty();
});
