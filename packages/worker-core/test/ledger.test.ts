import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LedgerRow } from "@muster/contracts";
import { buckets, ledgerKey } from "@muster/contracts";
import type { NatsServer } from "@muster/testkit";
import { startNats, waitFor } from "@muster/testkit";
import type { Step } from "../src/index.ts";
import { TestGroup } from "./group.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());

/** A dead row as another member may have left it. */
function deadRow(group: TestGroup, eventId: string, change: Partial<LedgerRow>): LedgerRow {
  return {
    v: 1,
    status: "dead",
    event_id: eventId,
    body_sha256: sha256(JSON.stringify({ job: eventId })),
    sequence: 1,
    store_time: "1",
    sequences: [],
    more: 0,
    reason: "permanent",
    headers: { "Nats-Msg-Id": `dl.${group.group}.x.1`, "Muster-Dlq-Id": `dl.${group.group}.x.1` },
    member: "other",
    language: "go",
    at: "2026-01-01T00:00:00.000Z",
    ...change,
  };
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

async function putRow(group: TestGroup, eventId: string, row: LedgerRow): Promise<void> {
  await (await group.bucket(buckets.ledger)).put(
    ledgerKey(group.stream, group.group, eventId),
    JSON.stringify(row),
  );
}

test("a second copy of an event is not handled again and joins the row", async () => {
  await using group = await TestGroup.create(server);
  let starts = 0;
  await group.worker(() => (starts += 1));
  const eventId = await group.publish();
  await group.settled(eventId);
  await group.publish({ eventId });
  await group.empty();
  expect((await group.settled(eventId)).sequences).toEqual([2]);
  expect(starts).toBe(1);
});

test("beyond 32 further copies are only counted", async () => {
  await using group = await TestGroup.create(server, { concurrency: 1 });
  await group.worker();
  const eventId = await group.publish();
  for (let copy = 0; copy < 34; copy++) {
    await group.publish({ eventId });
  }
  await group.empty();
  const row = await group.settled(eventId);
  expect(row.sequences).toHaveLength(32);
  expect(row.more).toBe(2);
});

test("the same event with another body is a conflict and leaves the row alone", async () => {
  await using group = await TestGroup.create(server);
  await group.worker();
  const eventId = await group.publish();
  const row = await group.settled(eventId);
  await group.publish({ eventId, body: '{"job":"other"}' });
  await group.empty();
  expect(await group.row(eventId)).toEqual(row);
  const [letter] = await group.deadLetters();
  expect(letter?.header.get("Muster-Dlq-Reason")).toBe("conflict");
  expect(letter?.header.get("Muster-Dlq-Error-Class")).toBe("Conflict");
  expect(letter?.string()).toBe('{"job":"other"}');
});

test("a dead row of this very message is finished: its dead letter is published, nothing runs", async () => {
  await using group = await TestGroup.create(server);
  const eventId = await group.publish();
  const stored = await group.jsm.streams.getMessage(group.stream, { seq: 1 });
  const at = await storeTimeOf(group);
  expect(stored).not.toBeNull();
  await putRow(group, eventId, deadRow(group, eventId, { sequence: 1, store_time: at }));
  let starts = 0;
  await group.worker(() => (starts += 1));
  await group.empty();
  expect((await group.deadLetters()).map((letter) => letter.header.get("Muster-Dlq-Id"))).toEqual([
    "dl.g.x.1",
  ]);
  expect(starts).toBe(0);
});

test("an older copy of what has since died is stale with the same body, a conflict with another", async () => {
  await using group = await TestGroup.create(server);
  const [same, other] = [randomUUID(), randomUUID()];
  const later = { sequence: 9, store_time: "9000000000000000000" };
  await putRow(group, same, deadRow(group, same, later));
  await putRow(group, other, deadRow(group, other, { ...later, body_sha256: sha256("another") }));
  let starts = 0;
  await group.worker(() => (starts += 1));
  await group.publish({ eventId: same });
  await group.publish({ eventId: other });
  await group.empty();
  expect((await group.deadLetters()).map((letter) => letter.header.get("Muster-Dlq-Reason"))).toEqual([
    "conflict",
  ]);
  expect((await group.row(same))?.sequence).toBe(9);
  expect(starts).toBe(0);
});

test("a ledger that cannot be written gives the message back and stops the pull until it answers", async () => {
  await using group = await TestGroup.create(server);
  await group.jsm.streams.delete(`KV_${buckets.ledger}`);
  const worker = await group.worker();
  await group.publish();
  await waitFor(
    "the message to be delivered",
    async () => (await group.jsm.consumers.info(group.stream, "g")).delivered.consumer_seq > 0,
  );
  await waitFor("the member to be degraded", async () =>
    (await group.members()).some((member) => member.degraded),
  );
  expect((await group.jsm.streams.info(group.stream)).state.messages).toBe(1);
  await worker.drain();
});

test("steps are passed in the order that survives a kill", async () => {
  await using group = await TestGroup.create(server);
  const steps: Step[] = [];
  await group.worker(undefined, { onStep: (step) => steps.push(step) });
  await group.settled(await group.publish());
  await group.settled(await group.publish({ directive: "permanent" }), "dead");
  await group.empty();
  expect(steps).toEqual(["received", "row_done", "received", "row_dead", "dead_lettered"]);
});

/** The store time as the ack reply gives it: seen through a second consumer's eyes it would be the same. */
async function storeTimeOf(group: TestGroup): Promise<string> {
  const inbox = `_INBOX.${randomUUID()}`;
  const reply = new Promise<string>((resolve) => {
    group.nats.subscribe(inbox, {
      max: 1,
      callback: (_error, msg) => {
        resolve(msg.reply ?? "");
        msg.respond("-NAK");
      },
    });
  });
  group.nats.publish(
    `$JS.API.CONSUMER.MSG.NEXT.${group.stream}.${group.group}`,
    '{"batch":1,"expires":1000000000}',
    { reply: inbox },
  );
  return (await reply).split(".")[7] ?? "";
}
