import { buckets } from "@muster/contracts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { findDeadLetter } from "../src/dead-letters/find.ts";
import { type ReplayStep, replayOne } from "../src/dead-letters/replay.ts";
import { replay } from "../src/dead-letters/replay-many.ts";
import { createTargets } from "../src/dead-letters/target.ts";
import { Ledgers } from "../src/ledger/ledgers.ts";
import { getText, putEntry } from "../src/nats/bucket.ts";
import { toMsgHdrs } from "../src/nats/headers.ts";
import { copyDeadLetter, count, order, settleDead, settleDone, specOf, startSystem, take } from "./system.ts";

const ledgers = () => new Ledgers(system.nats, undefined);
let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

// Streams, rows and claims begin anew for each test.
let n = 0;
const nextId = () => `o${++n}`;
beforeEach(async () => {
  const { nats, client } = system;
  for (const stream of ["ORDERS", "ORDERS_DLQ", "KV_MUSTER_LEDGER", "KV_MUSTER_REPLAYS"])
    await nats.jsm.streams.delete(stream).catch(() => undefined);
  await client.groups.apply.mutate({ spec: specOf() });
});

/** An order that was published and died; gives its dead letter's id and event id. */
async function deadOrder(reason: Parameters<typeof settleDead>[2] = "exhausted") {
  const { nats, client } = system;
  const id = nextId();
  await client.orders.publish.mutate({ orders: [{ event: "created", order: order(id) }] });
  return { id: await settleDead(nats, await take(nats), reason), eventId: `${id}.created` };
}

const byId = (id: string, more: object = {}) =>
  system.client.deadLetters.replay.mutate({ stream: "ORDERS", id, ...more });

describe("deadLetters.replay by id", () => {
  test("sends it to its own group under its own event id, and takes it out of the dead letters", async () => {
    const { nats, client } = system;
    const { id, eventId } = await deadOrder();
    const { outcomes } = await byId(id);
    expect(outcomes).toEqual([{ id, outcome: "replayed", event_id: eventId, replay_number: 1, seq: 2 }]);
    expect(await count(nats, "ORDERS_DLQ")).toBe(0);
    const message = await take(nats);
    expect(message.subject).toBe("muster.replay.ORDERS.billing.orders.created");
    expect(message.headers?.get("Muster-Event-Id")).toBe(eventId);
    expect(message.headers?.get("Nats-Msg-Id")).toBe(`replay.${id}`);
    expect(message.headers?.keys().filter((name) => name.startsWith("Muster-Dlq-"))).toEqual([]);
    await settleDone(nats, message);
    expect(await client.verify.query({ stream: "ORDERS", group: "billing" })).toMatchObject({
      ok: true,
      terms: { accepted: 1, done: 1, dead: 0, repeats: 1 },
    });
    expect(await getText(nats, buckets.replays, `ORDERS.${id}`)).toBeUndefined();
  });

  test("leaves no marker of its claim for ever, but where the bucket knows nothing else", async () => {
    const { nats, client } = system;
    const markerOf = async (id: string) =>
      (
        await nats.jsm.streams.getMessage("KV_MUSTER_REPLAYS", {
          last_by_subj: `$KV.MUSTER_REPLAYS.ORDERS.${id}`,
        })
      )?.header;
    const first = await deadOrder();
    await byId(first.id);
    const marker = await markerOf(first.id);
    expect([marker?.get("KV-Operation"), marker?.get("Nats-TTL")]).toEqual(["DEL", "1h"]);

    const { config } = await nats.jsm.streams.info("KV_MUSTER_REPLAYS");
    await nats.jsm.streams.delete("KV_MUSTER_REPLAYS");
    const { allow_msg_ttl: _, ...older } = config;
    await nats.jsm.streams.add(older);
    await take(nats).then((message) => message.ackAck());
    const second = await deadOrder();
    expect((await byId(second.id)).counts).toEqual({ replayed: 1 });
    expect((await markerOf(second.id))?.get("Nats-TTL")).toBe("");
    await client.groups.apply.mutate({ spec: specOf() });
    expect((await nats.jsm.streams.info("KV_MUSTER_REPLAYS")).config.allow_msg_ttl).toBe(true);
  });

  test("says what is gone already", async () => {
    const { id } = await deadOrder();
    await byId(id);
    expect((await byId(id)).outcomes).toMatchObject([{ outcome: "gone", code: "not_found" }]);
  });

  test("deletes every copy of the dead letter, and lists them as one", async () => {
    const { nats, client } = system;
    const { id } = await deadOrder();
    await copyDeadLetter(nats, 1);
    const { items } = await client.deadLetters.list.query({ stream: "ORDERS" });
    expect(items).toMatchObject([{ id, copies: 2, dlq_seq: 1 }]);
    await byId(id);
    expect(await count(nats, "ORDERS_DLQ")).toBe(0);
  });

  test("refuses a body that the contract refuses, with force too", async () => {
    const { nats } = system;
    await nats.js.publish("orders.created", '{"id":1}', {
      headers: toMsgHdrs({ "Muster-Event-Id": nextId() }),
    });
    const id = await settleDead(nats, await take(nats), "invalid");
    const { outcomes } = await byId(id, { force: true });
    expect(outcomes).toMatchObject([{ outcome: "refused", code: "invalid" }]);
    expect(outcomes[0]).toHaveProperty("error", expect.stringContaining("does not match order.v1 at"));
    expect(await count(nats, "ORDERS_DLQ")).toBe(1);
  });

  test("refuses a contract that the group does not accept", async () => {
    const { nats } = system;
    await nats.js.publish("orders.created", JSON.stringify(order("x")), {
      headers: toMsgHdrs({ "Muster-Event-Id": nextId(), "Muster-Contract": "order.v9" }),
    });
    const id = await settleDead(nats, await take(nats), "unknown_contract");
    expect((await byId(id)).outcomes).toMatchObject([{ outcome: "refused", code: "unknown_contract" }]);
  });

  test("refuses what has become too large before it claims anything", async () => {
    const { nats } = system;
    const { id } = await deadOrder();
    const { config } = await nats.jsm.streams.info("ORDERS");
    await nats.jsm.streams.update("ORDERS", { ...config, max_msg_size: 100 });
    expect((await byId(id)).outcomes).toMatchObject([{ outcome: "refused", code: "too_large" }]);
    expect(await getText(nats, buckets.replays, `ORDERS.${id}`)).toBeUndefined();
  });

  test("parks after three replays, and goes on with force", async () => {
    const { nats } = system;
    let { id } = await deadOrder();
    for (let i = 1; i <= 3; i++) {
      expect((await byId(id)).outcomes).toMatchObject([{ outcome: "replayed", replay_number: i }]);
      id = await settleDead(nats, await take(nats));
    }
    expect((await byId(id)).outcomes).toMatchObject([{ outcome: "refused", code: "parked" }]);
    expect((await byId(id, { force: true })).outcomes).toMatchObject([
      { outcome: "replayed", replay_number: 4 },
    ]);
    await settleDone(nats, await take(nats));
    expect(await system.client.verify.query({ stream: "ORDERS", group: "billing" })).toMatchObject({
      ok: true,
      terms: { accepted: 1, done: 1, repeats: 4 },
    });
  });

  test("a conflict goes back only as an event of its own, and the account knows where its message went", async () => {
    const { nats, client } = system;
    const first = nextId();
    await client.orders.publish.mutate({ orders: [{ event: "created", order: order(first) }] });
    await settleDone(nats, await take(nats));
    await nats.js.publish("orders.created", JSON.stringify(order(first, 99)), {
      headers: toMsgHdrs({ "Muster-Event-Id": `${first}.created` }),
    });
    const id = await settleDead(nats, await take(nats), "conflict");
    expect((await byId(id)).outcomes).toMatchObject([{ outcome: "refused", code: "conflict" }]);
    expect((await byId(id, { as_event_id: `${first}.created` })).outcomes).toMatchObject([
      { outcome: "refused", code: "event_id_taken" },
    ]);
    expect((await byId(id, { as_event_id: `${first}.again` })).outcomes).toMatchObject([
      { outcome: "replayed", event_id: `${first}.again` },
    ]);
    await settleDone(nats, await take(nats));
    expect(await client.verify.query({ stream: "ORDERS", group: "billing" })).toMatchObject({
      ok: true,
      terms: { accepted: 2, done: 2, dead: 0, conflicts: 0 },
    });
  });

  test("an event done since with another body is a conflict by now", async () => {
    const { nats, client } = system;
    const { id, eventId } = await deadOrder();
    await nats.js.publish("orders.created", JSON.stringify(order("corrected")), {
      headers: toMsgHdrs({ "Muster-Event-Id": eventId }),
    });
    await settleDone(nats, await take(nats));
    expect((await client.deadLetters.list.query({ stream: "ORDERS" })).items[0]).toHaveProperty("done_since");
    expect((await byId(id)).outcomes).toMatchObject([{ outcome: "refused", code: "conflict" }]);
  });

  test("a group that is gone, or whose consumer is, keeps its dead letters", async () => {
    const { nats } = system;
    const { id } = await deadOrder();
    await nats.jsm.consumers.delete("ORDERS", "billing");
    expect((await byId(id)).outcomes).toMatchObject([{ outcome: "failed", code: "no_group" }]);
    expect(await count(nats, "ORDERS_DLQ")).toBe(1);
  });

  test("another group on the stream does not see the replay", async () => {
    const { nats, client } = system;
    await nats.jsm.streams.delete("SHARED").catch(() => undefined);
    for (const group of ["a", "b"])
      await client.groups.apply.mutate({
        spec: specOf({ stream: "SHARED", group, subjects: ["shared.>"] }),
        stream: { retention: "limits" },
      });
    await nats.js.publish("shared.x", JSON.stringify(order(nextId())), {
      headers: toMsgHdrs({ "Muster-Event-Id": nextId() }),
    });
    const forA = await take(nats, "SHARED", "a");
    (await take(nats, "SHARED", "b")).ack();
    const id = await settleDead(nats, forA, "permanent", "a");
    expect((await client.deadLetters.replay.mutate({ stream: "SHARED", id })).counts).toEqual({
      replayed: 1,
    });
    expect((await nats.jsm.consumers.info("SHARED", "a")).num_pending).toBe(1);
    expect((await nats.jsm.consumers.info("SHARED", "b")).num_pending).toBe(0);
  });
});

describe("deadLetters.replay by filter", () => {
  test("replays what it names, tells each outcome, and only tells with dry_run", async () => {
    const { client } = system;
    const ids = [await deadOrder(), await deadOrder(), await deadOrder("permanent")].map(({ id }) => id);
    const input = { stream: "ORDERS", filter: { reason: "exhausted" as const } };
    expect((await client.deadLetters.replay.mutate({ ...input, dry_run: true })).counts).toEqual({
      would_replay: 2,
    });
    expect((await client.deadLetters.replay.mutate({ ...input, limit: 1 })).more).toBe(1);
    const report = await client.deadLetters.replay.mutate(input);
    expect(report).toMatchObject({ counts: { replayed: 1 }, more: 0, outcomes: [{ id: ids[1] }] });
    expect((await client.deadLetters.list.query({ stream: "ORDERS" })).items.map(({ id }) => id)).toEqual([
      ids[2],
    ]);
  });

  test("two at once send each dead letter once", async () => {
    const { nats, client } = system;
    for (let i = 0; i < 20; i++) await deadOrder();
    const input = { stream: "ORDERS", filter: {} };
    const reports = await Promise.all([1, 2, 3].map(() => client.deadLetters.replay.mutate(input)));
    expect(reports.reduce((sum, { counts }) => sum + (counts["replayed"] ?? 0), 0)).toBe(20);
    expect(await count(nats, "ORDERS")).toBe(20);
    expect(await count(nats, "ORDERS_DLQ")).toBe(0);
  });
});

describe("a replay that is killed", () => {
  const crash = (at: ReplayStep) => ({
    leaseMs: 30_000,
    onStep: (step: ReplayStep) => (step === at ? Promise.reject(new Error(`killed at ${at}`)) : undefined),
  });
  const later = { now: () => Date.now() + 31_000 };

  test.each<[ReplayStep, number, number]>([
    ["claimed", 0, 1],
    ["published", 1, 1],
    ["deleted", 1, 0],
    ["released", 1, 0],
  ])(
    "behind %s leaves %i messages and %i dead letters, and the next one completes it",
    async (step, sent, dead) => {
      const { nats, client } = system;
      const { id, eventId } = await deadOrder();
      await expect(replay(nats, ledgers(), { stream: "ORDERS", id }, crash(step))).rejects.toThrow(
        `killed at ${step}`,
      );
      expect([await count(nats, "ORDERS"), await count(nats, "ORDERS_DLQ")]).toEqual([sent, dead]);

      const before = await replay(nats, ledgers(), { stream: "ORDERS", id });
      expect(before.counts).toEqual(dead === 1 ? { held: 1 } : { gone: 1 });
      const after = await replay(nats, ledgers(), { stream: "ORDERS", id }, later);
      expect(after.counts).toEqual(dead === 1 ? { replayed: 1 } : { gone: 1 });
      expect([await count(nats, "ORDERS"), await count(nats, "ORDERS_DLQ")]).toEqual([1, 0]);

      const message = await take(nats);
      expect(message.headers?.get("Muster-Event-Id")).toBe(eventId);
      await settleDone(nats, message);
      expect(await client.verify.query({ stream: "ORDERS", group: "billing" })).toMatchObject({
        ok: true,
        terms: { accepted: 1, done: 1, dead: 0 },
      });
    },
  );

  test("behind publish, as an event of its own: goes on only as that event", async () => {
    const { nats } = system;
    const { id, eventId } = await deadOrder();
    const asNew = `${eventId}.again`;
    await expect(
      replay(nats, ledgers(), { stream: "ORDERS", id, as_event_id: asNew }, crash("published")),
    ).rejects.toThrow("killed");
    await settleDone(nats, await take(nats));
    expect((await replay(nats, ledgers(), { stream: "ORDERS", id }, later)).outcomes).toMatchObject([
      { outcome: "refused", code: "begun_as_event" },
    ]);
    expect(
      (await replay(nats, ledgers(), { stream: "ORDERS", id, as_event_id: asNew }, later)).counts,
    ).toEqual({
      replayed: 1,
    });
    expect(await count(nats, "ORDERS_DLQ")).toBe(0);
  });

  test("one that stalls past its lease sends nothing more", async () => {
    const { nats } = system;
    const { id } = await deadOrder();
    const letter = await findDeadLetter(nats, "ORDERS", id);
    if (letter === undefined) throw new Error("no dead letter");
    const target = await createTargets(nats, ledgers(), "ORDERS")("billing");
    let time = Date.now();
    const stalled = await replayOne(
      nats,
      letter,
      target,
      {},
      { now: () => time, onStep: (step) => void (step === "claimed" && (time += 31_000)) },
    );
    expect(stalled).toMatchObject({ outcome: "held" });
    expect(await count(nats, "ORDERS")).toBe(0);
  });

  test("one that comes late finds the dead letter gone, though it has read it", async () => {
    const { nats } = system;
    const { id } = await deadOrder();
    const letter = await findDeadLetter(nats, "ORDERS", id);
    if (letter === undefined) throw new Error("no dead letter");
    await replay(nats, ledgers(), { stream: "ORDERS", id });
    const target = await createTargets(nats, ledgers(), "ORDERS")("billing");
    expect(await replayOne(nats, letter, target)).toMatchObject({ outcome: "gone" });
    expect(await count(nats, "ORDERS")).toBe(1);
  });

  test("a claim that is no record of ours is written over", async () => {
    const { nats } = system;
    const { id } = await deadOrder();
    await putEntry(nats, buckets.replays, `ORDERS.${id}`, "{", 0);
    expect((await replay(nats, ledgers(), { stream: "ORDERS", id })).counts).toEqual({ replayed: 1 });
  });
});

describe("deadLetters.list and get", () => {
  test("pages by cursor and filters by group and reason", async () => {
    const { client } = system;
    const ids = [await deadOrder(), await deadOrder("permanent"), await deadOrder()].map(({ id }) => id);
    const first = await client.deadLetters.list.query({ stream: "ORDERS", limit: 2 });
    expect(first.items.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    const second = await client.deadLetters.list.query({
      stream: "ORDERS",
      limit: 2,
      cursor: first.next_cursor ?? "",
    });
    expect(second).toMatchObject({ items: [{ id: ids[2] }] });
    expect(second.next_cursor).toBeUndefined();
    expect(
      (await client.deadLetters.list.query({ stream: "ORDERS", group: "billing", reason: "permanent" }))
        .items,
    ).toMatchObject([{ id: ids[1] }]);
    expect((await client.deadLetters.list.query({ stream: "ORDERS", group: "other" })).items).toEqual([]);
  });

  test("gives the bytes as they were, as text only when they are", async () => {
    const { nats, client } = system;
    for (const body of [new Uint8Array([0xff, 0xfe, 0x00]), new TextEncoder().encode("\ufeff{}")]) {
      await nats.js.publish("orders.created", body, { headers: toMsgHdrs({ "Muster-Event-Id": nextId() }) });
      const id = await settleDead(nats, await take(nats), "invalid");
      const letter = await client.deadLetters.get.query({ stream: "ORDERS", id });
      expect(Buffer.from(letter.payload_base64, "base64")).toEqual(Buffer.from(body));
      expect(letter.payload_text).toBe(body[0] === 0xff ? undefined : "\ufeff{}");
      expect(letter).toMatchObject({ reason: "invalid", history: [], headers: { "Muster-Dlq-Id": id } });
    }
  });

  test("an id with subject characters is not found, and reaches nothing", async () => {
    const { client } = system;
    for (const id of ["dl.>.x", "*", "a b", "dl.billing.$KV", "é", "x".repeat(1000)]) {
      await expect(client.deadLetters.get.query({ stream: "ORDERS", id })).rejects.toMatchObject({
        data: { muster_code: "not_found" },
      });
      expect((await byId(id)).counts).toEqual({ gone: 1 });
    }
    await expect(client.deadLetters.list.query({ stream: "*" })).rejects.toMatchObject({
      data: { muster_code: "bad_name" },
    });
  });
});
