// What is told of each letter of a job: while it runs, when it has ended, and after its control plane was killed.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { JobStep } from "../src/jobs/run.ts";
import { jobOutcomes } from "../src/jobs/outcomes.ts";
import { cancelJob } from "../src/jobs/steer.ts";
import { Ledgers } from "../src/ledger/ledgers.ts";
import type { Nats } from "../src/nats/connection.ts";
import { newJob, putDead, putManyDead, startBare, waitForJob, work } from "./jobs-system.ts";
import { order, refusalOf, settleDead, settleDone, specOf, startSystem, take } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

const stream = "ORDERS";
const remake = async (ledger: "kv" | "none" = "kv", retention: "workqueue" | "limits" = "workqueue") => {
  const { nats, client } = system;
  for (const name of ["ORDERS", "ORDERS_DLQ", "KV_MUSTER_LEDGER", "KV_MUSTER_REPLAYS"])
    await nats.jsm.streams.delete(name).catch(() => undefined);
  await client.groups.apply.mutate({ spec: specOf({ ledger }), stream: { retention } });
};

const create = (more: object = {}) => system.client.jobs.create.mutate({ stream, ...more });

/** All pages, a few letters each; outcomes by event id. */
async function outcomes(id: string, limit = 2) {
  const items = [];
  for (let cursor: string | undefined, pages = 0; pages < 100; pages++) {
    const more = cursor === undefined ? {} : { cursor };
    const page = await system.client.jobs.outcomes.query({ id, limit, ...more });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    items.push(...page.items);
    cursor = page.next_cursor;
    if (cursor === undefined) return { items, is_whole: page.is_whole, of: byEvent(items) };
  }
  throw new Error("the pages do not end");
}

function byEvent(items: readonly { event_id?: string | undefined; outcome: string }[]) {
  return Object.fromEntries(items.map(({ event_id = "", outcome }) => [event_id, outcome]));
}

describe("with a ledger", () => {
  beforeEach(() => remake());

  test("tells done, dead again, sent, lost, refused, discarded and left, a page at a time", async () => {
    const { nats, client } = system;
    const ids = await putManyDead(nats, 5, "e");
    await putDead(nats, "bad", { body: "{}" });
    const filed = await putDead(nats, "filed", { body: "{}" });
    await putDead(nats, "parked", { replays: 3 });
    const { id } = await create({ rate_per_second: 10_000 });
    await waitForJob(client, id);
    await putDead(nats, "new");
    expect((await outcomes(id)).of).toEqual({
      ...Object.fromEntries(["e0", "e1", "e2", "e3", "e4"].map((event) => [event, "sent"])),
      bad: "refused",
      filed: "refused",
      parked: "refused",
    });
    const died = new Map<string, string>();
    const settled: Record<string, string> = {};
    for (const how of ["done", "dead_again", "dead_again", "lost", "sent"]) {
      const message = await take(nats);
      const event = message.headers?.get("Muster-Event-Id") ?? "";
      settled[event] = how;
      if (how === "done") await settleDone(nats, message);
      if (how === "lost") await nats.jsm.streams.deleteMessage(stream, message.seq);
      // One leaves the row alone, as a conflict does: only its dead letter tells.
      const reason = died.size === 0 ? "exhausted" : "conflict";
      if (how === "dead_again") died.set(event, await settleDead(nats, message, reason));
    }
    await client.deadLetters.discard.mutate({ stream, id: filed });
    const { items, of, is_whole } = await outcomes(id, 3);
    expect(of).toEqual({ ...settled, bad: "refused", filed: "discarded", parked: "refused" });
    expect(items.map((item) => item.dlq_seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(items.slice(0, 5).map((item) => item.id)).toEqual(ids);
    expect(is_whole).toBe(true);
    for (const [event, dead] of died)
      expect(items.find((item) => item.event_id === event)).toMatchObject({
        dead_letter: { id: dead, reason: event === [...died.keys()][0] ? "exhausted" : "conflict" },
        seq: expect.any(Number),
      });
    expect(items.find((item) => item.event_id === "bad")).toMatchObject({ code: "invalid" });
    expect(items.find((item) => item.event_id === "parked")).toMatchObject({ code: "parked" });
    // What was refused and is sent by hand since is told as what it is now.
    const parked = items.find((item) => item.event_id === "parked")?.id ?? "";
    await client.deadLetters.replay.mutate({ stream, id: parked, force: true });
    expect((await outcomes(id)).of).toMatchObject({ parked: "sent" });
  });

  test("tells what is still to be sent, and when it is cancelled what was left", async () => {
    const { nats, client } = system;
    await putManyDead(nats, 6, "e");
    const { id } = await create({ rate_per_second: 1, limit: 4 });
    await waitForJob(client, id, ({ counts }) => counts.replayed === 1);
    await client.jobs.pause.mutate({ id });
    const { counts } = await waitForJob(client, id, (job) => !job.is_held);
    const told = Object.values((await outcomes(id)).of);
    expect(told).toEqual(["sent", "sent", "sent", "sent"].fill("waiting", counts.replayed));
    await client.jobs.cancel.mutate({ id });
    expect(Object.values((await outcomes(id)).of)).toEqual(
      told.map((one) => (one === "waiting" ? "left" : one)),
    );
  });

  test("says so when it is not known any more which letters were sent", async () => {
    const { nats, client } = system;
    await putManyDead(nats, 3, "e");
    const { id } = await create();
    await waitForJob(client, id);
    expect(await outcomes(id)).toMatchObject({ is_whole: true });
    await nats.jsm.streams.purge("KV_MUSTER_JOB_LETTERS");
    expect(await outcomes(id)).toMatchObject({ items: [], is_whole: false });
    await nats.jsm.streams.delete("KV_MUSTER_JOB_LETTERS");
    expect(await outcomes(id)).toMatchObject({ items: [], is_whole: false });
    const none = await create({ filter: { reason: "permanent" } });
    await waitForJob(client, none.id);
    expect(await outcomes(none.id)).toMatchObject({ items: [], is_whole: true });
  });

  test("sends letters also where their names cannot be noted, and cuts names that are too long", async () => {
    const { nats, client } = system;
    await putDead(nats, "x".repeat(1000), { body: JSON.stringify(order("long")) });
    await putManyDead(nats, 2, "e");
    const long = await create({ limit: 1 });
    await waitForJob(client, long.id);
    const [item] = (await outcomes(long.id)).items;
    expect(item).toMatchObject({ outcome: "sent" });
    expect(item).not.toHaveProperty("event_id");
    const { id } = await create({ rate_per_second: 1 });
    await nats.jsm.streams.delete("KV_MUSTER_JOB_LETTERS");
    expect(await waitForJob(client, id)).toMatchObject({ state: "done", counts: { replayed: 2 } });
  });

  test("refuses a cursor that is none, and a job that is not there", async () => {
    const { client } = system;
    for (const cursor of ["", "1", "0-0", "9999999999999999-1", "a-b", "-1-1"])
      expect((await refusalOf(client.jobs.outcomes.query({ id: "x", cursor }))).code).toMatch(
        /^(bad_request|not_found)$/,
      );
    const { id } = await create();
    expect(await refusalOf(client.jobs.outcomes.query({ id, cursor: "0-0" }))).toMatchObject({
      code: "bad_cursor",
    });
  });
});

describe.each<["workqueue" | "limits"]>([["workqueue"], ["limits"]])(
  "without a ledger, on %s",
  (retention) => {
    test("tells sent and dead again, and of what is settled otherwise only what a canary showed", async () => {
      await remake("none", retention);
      const { nats, client } = system;
      await putManyDead(nats, 4, "e");
      const { id } = await create({ canary: 1 });
      await waitForJob(client, id, ({ state }) => state === "waiting_for_canary");
      await (await take(nats)).ackAck();
      await waitForJob(client, id);
      const [acked, dead] = [await take(nats), await take(nats)];
      await acked.ackAck();
      const died = await settleDead(nats, dead);
      const { items, of } = await outcomes(id);
      const eventOf = ({ headers }: typeof acked) => headers?.get("Muster-Event-Id") ?? "";
      expect(of).toMatchObject({ e0: "done", [eventOf(acked)]: "unknown", [eventOf(dead)]: "dead_again" });
      expect(Object.values(of).filter((one) => one === "sent").length).toBe(1);
      expect(items.find((item) => item.event_id === eventOf(dead))).toMatchObject({
        dead_letter: { id: died, reason: "exhausted" },
      });
    });
  },
);

describe("of a job whose control plane is killed", () => {
  let bare: Awaited<ReturnType<typeof startBare>>;
  beforeAll(async () => {
    bare = await startBare();
  });
  afterAll(async () => {
    await bare[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    for (const name of ["ORDERS", "ORDERS_DLQ", "KV_MUSTER_JOBS", "KV_MUSTER_REPLAYS", "KV_MUSTER_LEDGER"])
      await bare.nats.jsm.streams.purge(name).catch(() => undefined);
  });

  const look = async (nats: Nats, id: string) => {
    const { items, is_whole } = await jobOutcomes(nats, new Ledgers(nats, undefined), { id, limit: 500 });
    expect(is_whole).toBe(true);
    return Object.values(byEvent(items)).toSorted();
  };
  const listOf = (sent: number, other: string, n = 12) =>
    [...Array<string>(sent).fill("sent"), ...Array<string>(n - sent).fill(other)].toSorted();

  test.each<[JobStep, number, number]>([
    ["noted", 1, 0],
    ["claimed", 5, 0],
    ["deleted", 5, 5],
    ["counted", 1, 12],
  ])(
    "behind %s, number %i: what was sent, and what waits; then all, when another went on",
    async (step, nth, least) => {
      const { nats } = bare;
      await putManyDead(nats, 12, `${step}${nth}-`);
      const id = await newJob(nats);
      let seen = 0;
      let isDead = false;
      const onStep = (now: JobStep) => {
        if (now === step && ++seen === nth) isDead = true;
        if (isDead) throw new Error("killed");
      };
      await expect(work(nats, id, "first", { onStep })).rejects.toThrow("killed");
      const left = (await nats.jsm.streams.info("ORDERS_DLQ")).state.messages;
      expect(12 - left).toBeGreaterThanOrEqual(least);
      expect(await look(nats, id)).toEqual(listOf(12 - left, "waiting"));
      await work(nats, id, "second");
      expect(await look(nats, id)).toEqual(listOf(12, "waiting"));
      // Settled by a member, what a killed one sent is known by its row.
      await settleDone(nats, await take(nats));
      expect((await look(nats, id)).filter((one) => one === "done").length).toBe(1);
    },
  );

  test("and cancelled then: what was sent, and what was left", async () => {
    const { nats } = bare;
    await putManyDead(nats, 12, "c-");
    const id = await newJob(nats);
    let seen = 0;
    const onStep = (now: JobStep) => {
      if (now === "deleted") seen++;
      if (seen >= 3) throw new Error("killed");
    };
    await expect(work(nats, id, "first", { onStep })).rejects.toThrow("killed");
    await cancelJob(nats, id);
    const left = (await nats.jsm.streams.info("ORDERS_DLQ")).state.messages;
    expect(await look(nats, id)).toEqual(listOf(12 - left, "left"));
  });
});
