import { buckets, memberSubject } from "@muster/contracts";
import type { Msg } from "@nats-io/nats-core";
import { waitFor } from "@muster/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ReplayStep } from "../src/dead-letters/replay.ts";
import { replay } from "../src/dead-letters/replay-many.ts";
import { Ledgers } from "../src/ledger/ledgers.ts";
import { deleteEntry, getText, putEntry } from "../src/nats/bucket.ts";
import { toMsgHdrs } from "../src/nats/headers.ts";
import { storeLetter } from "./dead-letters.ts";
import { count, memberOf, order, refusalOf, specOf, startSystem, startWorker } from "./system.ts";

const group = "live";
const spec = specOf({
  stream: "core",
  group,
  subjects: ["orders.>"],
  delivery: { mode: "queue" },
  ledger: "none",
});

const ledgers = () => new Ledgers(system.nats, undefined);
let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});
beforeEach(async () => {
  for (const stream of ["core_DLQ", "KV_MUSTER_REPLAYS", "KV_MUSTER_MEMBERS"])
    await system.nats.jsm.streams.delete(stream).catch(() => undefined);
  await system.client.groups.apply.mutate({ spec });
});

let n = 0;
/** A dead letter as a member of a queue group writes it; gives its id. */
async function deadLetter(
  over: { subject?: string; body?: string; replayNumber?: number } = {},
): Promise<string> {
  const eventId = `e${++n}`;
  const { id } = await storeLetter(system.nats, {
    body: JSON.stringify(order(eventId)),
    ...over,
    stream: "core",
    group,
    reason: "exhausted",
    seq: 0,
    storeTime: `${1_700_000_000_000_000_000n + BigInt(n)}`,
    eventId,
    headers: { "Muster-Event-Id": eventId, "Muster-Replay-Subject": "forged", traceparent: "t" },
  });
  return id;
}

/** A member that has a record, and answers as told; what it was handed is kept. Ends with the scope. */
async function member(id: string, answer: string | null = '{"ok":true}', record: object = {}) {
  const { nats } = system;
  const given: Msg[] = [];
  const subscription = nats.nc.subscribe(memberSubject("core", group, id, "replay"), {
    callback: (_error, message) => {
      given.push(message);
      if (answer !== null) message.respond(answer);
    },
  });
  await recordOf(id, record);
  return { given, [Symbol.dispose]: () => subscription.unsubscribe() };
}

async function recordOf(id: string, record: object = {}): Promise<void> {
  const text = JSON.stringify(memberOf({ id, delivery: "queue", ...record }));
  await putEntry(system.nats, buckets.members, `core.${group}.${id}`, text, 0);
}

const byId = (id: string, more: object = {}) =>
  system.client.deadLetters.replay.mutate({ stream: "core", id, ...more });
const left = () => count(system.nats, "core_DLQ");

describe("replay of a queue group's dead letter", () => {
  test("hands it to a live member as it was, and takes it out of the dead letters", async () => {
    using m1 = await member("m1");
    const id = await deadLetter({ replayNumber: 1 });
    expect((await byId(id)).outcomes).toEqual([
      { id, outcome: "replayed", event_id: `e${n}`, replay_number: 2, member: "m1" },
    ]);
    expect(await left()).toBe(0);
    const headers = m1.given[0]?.headers;
    expect(m1.given.map((message) => message.json())).toEqual([order(`e${n}`)]);
    expect(Object.fromEntries((headers?.keys() ?? []).map((name) => [name, headers?.last(name)]))).toEqual({
      "Muster-Replay-Subject": "orders.created",
      "Muster-Event-Id": `e${n}`,
      "Muster-Contract": "order.v1",
      "Muster-Replay-Number": "2",
      "Nats-Msg-Id": `replay.${id}`,
      traceparent: "t",
    });
    expect(await getText(system.nats, buckets.replays, `core.${id}`)).toBeUndefined();
  });

  test("loses nothing where no member lives, and works when one does", async () => {
    const id = await deadLetter();
    const { outcomes } = await byId(id);
    expect(outcomes).toMatchObject([{ outcome: "failed", code: "no_member" }]);
    expect(outcomes[0]).toHaveProperty("error", expect.stringContaining("it has no live member"));
    expect(await left()).toBe(1);
    using _ = await member("m1");
    expect((await byId(id)).counts).toEqual({ replayed: 1 });
  });

  test("goes on to another member when one refuses or is gone", async () => {
    await recordOf("gone");
    using full = await member("full", '{"ok":false,"error":"takes no messages now"}');
    const ids = [await deadLetter(), await deadLetter(), await deadLetter()];
    const { outcomes } = await byId(ids[0] ?? "");
    expect(outcomes[0]).toHaveProperty(
      "error",
      expect.stringMatching(/full refuses it: takes no messages now/),
    );
    expect(outcomes[0]).toHaveProperty("error", expect.stringMatching(/gone is gone/));
    expect(await left()).toBe(3);
    using free = await member("free");
    const report = await system.client.deadLetters.replay.mutate({ stream: "core", filter: { group } });
    expect(report.counts).toEqual({ replayed: 3 });
    expect([full.given.length >= 1, free.given.length]).toEqual([true, 3]);
    expect(await left()).toBe(0);
  });

  test("does not ask members that are paused or draining, and says what they are", async () => {
    using paused = await member("p", null, { state: "paused" });
    using draining = await member("d", null, { state: "draining" });
    const { outcomes } = await byId(await deadLetter());
    expect(outcomes[0]).toHaveProperty("error", expect.stringMatching(/p is paused; d is draining/));
    expect([paused.given, draining.given, await left()]).toEqual([[], [], 1]);
  });

  test.each([
    ["nothing", null, "did not answer in 5000 ms"],
    ["no JSON", "yes", "answered with something else"],
    ["another document", '{"ok":"yes"}', "answered with something else"],
  ])("asks nobody else when a member answers with %s: it may have it", async (_name, answer, text) => {
    using silent = await member("silent", answer);
    const id = await deadLetter();
    const { outcomes } = await byId(id);
    expect(outcomes).toMatchObject([{ outcome: "failed", code: "no_answer" }]);
    expect(outcomes[0]).toHaveProperty("error", expect.stringContaining(text));
    using other = await member("other");
    expect((await byId(id)).counts).toEqual({ held: 1 });
    expect([silent.given.length, other.given.length, await left()]).toEqual([1, 0, 1]);
  });

  test("tells what a dry run would do, and hands out nothing", async () => {
    using m1 = await member("m1");
    await deadLetter();
    const report = await system.client.deadLetters.replay.mutate({
      stream: "core",
      filter: {},
      dry_run: true,
    });
    expect([report.counts, m1.given, await left()]).toEqual([{ would_replay: 1 }, [], 1]);
  });

  test("hands it out once when two operators click at once", async () => {
    using m1 = await member("m1");
    const id = await deadLetter();
    const reports = await Promise.all([1, 2, 3].map(() => byId(id)));
    expect(reports.filter(({ counts }) => counts["replayed"] === 1)).toHaveLength(1);
    expect(m1.given).toHaveLength(1);
  });

  test.each([
    ["bad_subject", { subject: "orders.*" }],
    ["invalid", { body: '{"id":1}' }],
    ["parked", { replayNumber: 3 }],
  ])("refuses what a stream's replay refuses too: %s", async (code, over) => {
    using m1 = await member("m1");
    const { outcomes } = await byId(await deadLetter(over));
    expect(outcomes).toMatchObject([{ outcome: "refused", code }]);
    expect([m1.given, await left()]).toEqual([[], 1]);
  });

  test("of a group that is gone keeps the dead letter", async () => {
    const id = await deadLetter();
    await deleteEntry(system.nats, buckets.groups, `core.${group}`, await revision());
    expect((await byId(id)).outcomes).toMatchObject([{ outcome: "failed", code: "no_group" }]);
    expect(await left()).toBe(1);
  });

  const revision = async () => (await system.client.groups.get.query({ stream: "core", group })).revision;

  test.each<[ReplayStep, number, number]>([
    ["claimed", 0, 1],
    ["published", 1, 1],
    ["deleted", 1, 0],
  ])("killed behind %s has handed out %i and left %i", async (step, handed, remaining) => {
    using m1 = await member("m1");
    const id = await deadLetter();
    const onStep = (at: ReplayStep) => (at === step ? Promise.reject(new Error("killed")) : undefined);
    await expect(replay(system.nats, ledgers(), { stream: "core", id }, { onStep })).rejects.toThrow(
      "killed",
    );
    expect([m1.given.length, await left()]).toEqual([handed, remaining]);
    const later = { now: () => Date.now() + 31_000 };
    const after = await replay(system.nats, ledgers(), { stream: "core", id }, later);
    expect(after.counts).toEqual(remaining === 1 ? { replayed: 1 } : { gone: 1 });
    expect(await left()).toBe(0);
  });
});

test("a real member takes its replay: it dies again while the cause lasts, and is done when it is mended", async () => {
  const { client, nats, server } = system;
  await using _ = await startWorker(server.url, spec);
  const pending = () => client.deadLetters.list.query({ stream: "core" });
  // Nobody answers the fraud check of a large order.
  const large = order("large", 20_000);
  await waitFor(
    "the order to die",
    async () => {
      if ((await pending()).items.length > 0) return true;
      nats.nc.publish("orders.created", JSON.stringify(large), {
        headers: toMsgHdrs({ "Muster-Event-Id": "large" }),
      });
      return false;
    },
    { everyMs: 1500 },
  );
  const first = (await pending()).items[0]?.id ?? "";
  expect((await byId(first)).outcomes).toMatchObject([{ outcome: "replayed", member: "w1" }]);
  const again = await waitFor("it to die again", async () =>
    (await pending()).items.find(({ replay_number }) => replay_number === 1),
  );
  expect(again).toMatchObject({ subject: "orders.created", event_id: "large", error: "fraud check timeout" });

  nats.nc.subscribe("fraud.check", { callback: (_error, message) => void message.respond("{}") });
  expect((await byId(again.id)).counts).toEqual({ replayed: 1 });
  const view = () => client.groups.get.query({ stream: "core", group });
  await waitFor("it to be done", async () => (await view()).counts.done === 1);
  expect((await view()).members).toMatchObject([{ id: "w1", delivery: "queue" }]);
  expect((await pending()).items.filter(({ replay_number }) => replay_number > 0)).toEqual([]);
});

test("a stream is refused where its name is none", async () => {
  expect(
    await refusalOf(system.client.deadLetters.replay.mutate({ stream: "c.>", filter: {} })),
  ).toMatchObject({
    code: "bad_name",
  });
});
