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

test("a handler longer than ack_wait runs once, and so do the messages that wait behind it", async () => {
  await using group = await TestGroup.create(server, { ack_wait_ms: 300, concurrency: 1 });
  const starts: string[] = [];
  await group.worker(async (_job, context) => {
    starts.push(context.eventId);
    await delay(900);
  });
  const eventIds = [await group.publish(), await group.publish()];
  await group.empty();
  expect(starts.toSorted()).toEqual(eventIds.toSorted());
  expect((await group.jsm.consumers.info(group.stream, "g")).delivered.consumer_seq).toBe(2);
});

test("a handler past its deadline has failed, and its late result still settles the event", async () => {
  await using group = await TestGroup.create(server, { timeout_ms: 100, retry: { backoff_ms: [60_000] } });
  let wasAborted = false;
  const release = Promise.withResolvers<void>();
  await group.worker(async (_job, context) => {
    context.signal.addEventListener("abort", () => (wasAborted = true));
    await release.promise;
    return "late";
  });
  const eventId = await group.publish();
  const record = await waitFor("the record", () => group.attempts(1));
  expect(record.history).toMatchObject([
    { outcome: "failed", error_class: "DeadlineExceeded", error: "handler exceeded 100 ms" },
  ]);
  expect(wasAborted).toBe(true);
  expect(await group.row(eventId)).toBeUndefined();
  release.resolve();
  expect((await group.settled(eventId)).result).toBe("late");
  await group.empty();
});

test("a handler past its deadline keeps its slot", async () => {
  await using group = await TestGroup.create(server, {
    timeout_ms: 100,
    concurrency: 1,
    retry: { max_attempts: 1 },
  });
  const release = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  await group.worker(async () => {
    most = Math.max(most, ++running);
    await release.promise;
    running -= 1;
  });
  const first = await group.publish();
  await group.publish();
  await group.settled(first, "dead");
  release.resolve();
  await group.empty();
  expect(most).toBe(1);
});

test("suspects run one at a time and note their start, while others go on beside them", async () => {
  await using group = await TestGroup.create(server, { concurrency: 10 });
  for (let n = 0; n < 6; n++) {
    await group.publish({ eventId: `suspect-${n}` });
  }
  // Delivered once and never reported on: whoever had them may have been killed by one of them.
  await handOutAndForget(group, 6);
  let running = 0;
  let most = 0;
  const open: boolean[] = [];
  await group.worker(async (_job, context) => {
    if (!context.eventId.startsWith("suspect")) {
      return;
    }
    most = Math.max(most, ++running);
    const sequence = Number(context.eventId.slice(-1)) + 1;
    open.push((await group.attempts(sequence))?.open === true);
    await group.settled(await group.publish());
    running -= 1;
  });
  await group.empty();
  expect(most).toBe(1);
  expect(open).toEqual([true, true, true, true, true, true]);
});

test("a message whose starts never reported back is dead as crash_loop", async () => {
  await using group = await TestGroup.create(server, { retry: { max_attempts: 2 }, ack_wait_ms: 300 });
  const eventId = await group.publish();
  await handOutAndForget(group, 1);
  // A member that is cut off after the start note does what a killed one does.
  for (let crash = 1; crash <= 2; crash++) {
    const started = Promise.withResolvers<void>();
    const worker = await group.worker(() => {
      started.resolve();
      return new Promise(() => undefined);
    });
    await started.promise;
    await worker.kill();
  }
  await group.worker();
  const row = await group.settled(eventId, "dead");
  expect(row.reason).toBe("crash_loop");
  expect(row.headers).toMatchObject({
    "Muster-Dlq-Error-Class": "NeverReported",
    "Muster-Dlq-Attempts": "2",
  });
});

/** Pulls messages and gives them back at once, as a member would that was killed and replaced. */
async function handOutAndForget(group: TestGroup, count: number): Promise<void> {
  const inbox = `_INBOX.forget.${group.stream}`;
  let seen = 0;
  const sub = group.nats.subscribe(inbox, {
    callback: (_error, msg) => {
      if (msg.reply?.startsWith("$JS.ACK")) {
        seen += 1;
        msg.respond('-NAK {"delay":1000000}');
      }
    },
  });
  group.nats.publish(
    `$JS.API.CONSUMER.MSG.NEXT.${group.stream}.${group.group}`,
    JSON.stringify({ batch: count, expires: 3_000_000_000 }),
    {
      reply: inbox,
    },
  );
  await waitFor("the messages to be handed out", () => seen >= count);
  sub.unsubscribe();
  await group.nats.flush();
}
