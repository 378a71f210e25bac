import { buckets, ledgerKey } from "@muster/contracts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deleteEntry, getEntry, putEntry } from "../src/nats/bucket.ts";
import { toMsgHdrs } from "../src/nats/headers.ts";
import {
  memberOf,
  noCounts,
  order,
  refusalOf,
  settleDead,
  settleDone,
  specOf,
  startSystem,
  take,
} from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
  await system.client.groups.apply.mutate({ spec: specOf() });
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

const verify = () => system.client.verify.query({ stream: "ORDERS", group: "billing" });
const publish = (id: string, amount = 10) =>
  system.nats.js.publish("orders.created", JSON.stringify(order(id, amount)), {
    headers: toMsgHdrs({ "Muster-Event-Id": `${id}.created`, "Muster-Contract": "order.v1" }),
  });

const forget = (eventId: string) => forgetRow("ORDERS", eventId);

async function forgetRow(stream: string, eventId: string): Promise<void> {
  const key = ledgerKey(stream, "billing", eventId);
  const entry = await getEntry(system.nats, buckets.ledger, key);
  await deleteEntry(system.nats, buckets.ledger, key, entry?.revision ?? 0);
}

test("an empty group's account closes", async () => {
  expect(await verify()).toMatchObject({ ok: true, terms: { accepted: 0, lost: 0 }, looks: 1 });
});

test("finds every event once: done, dead, waiting", async () => {
  const { nats } = system;
  for (const id of ["a", "b", "c", "d"]) await publish(id);
  await settleDone(nats, await take(nats));
  await settleDead(nats, await take(nats), "permanent");
  await take(nats);
  const account = await verify();
  expect(account).toMatchObject({
    ok: true,
    terms: { accepted: 4, done: 1, dead: 1, waiting: 2, lost: 0, ready: 1 },
  });
  expect(account.cannot_see.length).toBeGreaterThan(0);
});

test("counts what was published twice as one event", async () => {
  const { nats } = system;
  const held = await take(nats);
  await settleDone(nats, held);
  await publish("d");
  const again = await take(nats);
  again.nak(60_000);
  await nats.nc.flush();
  expect(await verify()).toMatchObject({ ok: true, terms: { accepted: 4 } });
});

test("says lost: a row that is gone, a dead letter that is gone", async () => {
  const { nats } = system;
  await forget("a.created");
  expect(await verify()).toMatchObject({ ok: false, terms: { lost: 1 }, lost: [{ sequence: 1 }], looks: 3 });
  await nats.jsm.streams.purge("ORDERS_DLQ");
  const account = await verify();
  expect(account).toMatchObject({ ok: false, terms: { lost: 2, dead: 0 } });
  expect(account.lost).toEqual([{ event_id: "b.created" }, { sequence: 1 }]);
});

test("on a limits stream: each acknowledged message needs its row", async () => {
  const { nats, client } = system;
  const spec = specOf({ stream: "LOG", subjects: ["log.>"] });
  await client.groups.apply.mutate({ spec, stream: { retention: "limits" } });
  const account = () => client.verify.query({ stream: "LOG", group: "billing" });
  for (const id of ["x", "y", "z"])
    await nats.js.publish("log.created", JSON.stringify(order(id)), {
      headers: toMsgHdrs({ "Muster-Event-Id": `${id}.created` }),
    });
  expect(await account()).toMatchObject({ ok: true, terms: { waiting: 3, accepted: 3 } });
  const first = await take(nats, "LOG");
  const second = await take(nats, "LOG");
  await second.ackAck();
  expect(await account()).toMatchObject({ ok: false, terms: { lost: 1 } });
  await first.ackAck();
  expect(await account()).toMatchObject({
    ok: false,
    terms: { lost: 2 },
    lost: [{ sequence: 1 }, { sequence: 2 }],
  });
});

test("a stream made again is not confused with the one before", async () => {
  const { nats, client } = system;
  await nats.jsm.streams.delete("ORDERS");
  await client.groups.apply.mutate({ spec: specOf() });
  await publish("new");
  const message = await take(nats);
  await message.ackAck();
  const account = await verify();
  expect(account.lost).toContainEqual({ sequence: 1 });
  expect(account.cannot_see.join()).toContain("earlier stream");
});

test("stays closed while work is in motion", async () => {
  const { nats, client } = system;
  await client.groups.apply.mutate({ spec: specOf({ stream: "BUSY", subjects: ["busy.>"] }) });
  for (let i = 0; i < 300; i++)
    await nats.js.publish("busy.created", JSON.stringify(order(`${i}`)), {
      headers: toMsgHdrs({ "Muster-Event-Id": `busy-${i}` }),
    });
  const accounts: Promise<{ ok: boolean }>[] = [];
  for (let i = 0; i < 300; i++) {
    const message = await take(nats, "BUSY");
    if (i % 5 === 0) await settleDead(nats, message, "exhausted");
    else await settleDone(nats, message);
    if (i % 30 === 0) accounts.push(client.verify.query({ stream: "BUSY", group: "billing" }));
    if (i % 50 === 49) await client.deadLetters.replay.mutate({ stream: "BUSY", filter: {} });
  }
  expect((await Promise.all(accounts)).map(({ ok }) => ok)).not.toContain(false);
  expect(await client.verify.query({ stream: "BUSY", group: "billing" })).toMatchObject({
    ok: true,
    terms: { accepted: 300 },
  });
});

describe("a group that keeps no ledger", () => {
  const account = (stream: string, group = "billing") => system.client.verify.query({ stream, group });
  const none = async (stream: string, retention: "workqueue" | "limits") => {
    const spec = specOf({ stream, subjects: [`${stream.toLowerCase()}.>`], ledger: "none" });
    await system.client.groups.apply.mutate({ spec, stream: { retention } });
    for (const id of ["x", "y", "z", "w"])
      await system.nats.js.publish(`${stream.toLowerCase()}.created`, JSON.stringify(order(id)), {
        headers: toMsgHdrs({ "Muster-Event-Id": id }),
      });
  };

  test.each(["workqueue", "limits"] as const)(
    "on a %s stream: what is settled is neither done nor lost, and nothing is called closed",
    async (retention) => {
      const { nats } = system;
      const stream = `NONE_${retention}`;
      await none(stream, retention);
      await (await take(nats, stream)).ackAck();
      await deadWithoutRow(stream);
      await take(nats, stream);
      const told = await account(stream);
      expect(told).toMatchObject({ ok: false, lost: [], looks: 1 });
      expect(told.no_account).toContain("its ledger is none");
      expect(told.cannot_see[0]).toContain("what became of 1 messages");
      expect(told.terms).toMatchObject({ accepted: 4, done: 0, untraced: 1, dead: 1, waiting: 2, lost: 0 });
    },
  );

  const deadWithoutRow = async (stream: string) => {
    const message = await take(system.nats, stream);
    await settleDead(system.nats, message, "permanent");
    await forgetRow(stream, message.headers?.last("Muster-Event-Id") ?? "");
  };

  test("out of order on a limits stream is counted once", async () => {
    await none("SPREAD", "limits");
    await take(system.nats, "SPREAD");
    await (await take(system.nats, "SPREAD")).ackAck();
    expect((await account("SPREAD")).terms).toMatchObject({ accepted: 4, untraced: 1, waiting: 3 });
  });

  test("lets its neighbour on a work queue not be called to account for what is gone", async () => {
    const { client, nats } = system;
    for (const ledger of ["kv", "none"] as const)
      await client.groups.apply.mutate({
        spec: specOf({ stream: "MIXED", group: ledger, subjects: [`mixed.${ledger}`], ledger }),
      });
    for (const ledger of ["kv", "none"]) await nats.js.publish(`mixed.${ledger}`, JSON.stringify(order("o")));
    await (await take(nats, "MIXED", "none")).ackAck();
    const told = await account("MIXED", "kv");
    expect(told).toMatchObject({ ok: true, lost: [], terms: { accepted: 1, waiting: 1, untraced: 0 } });
    expect(told.cannot_see.join()).toContain("none on the same stream, with ledger none, leaves no trace");
  });

  test("has no orders to tell of", async () => {
    const call = system.client.orders.get.query({ stream: "NONE_limits", group: "billing", id: "x" });
    expect(await refusalOf(call)).toMatchObject({ code: "no_ledger" });
  });
});

test("a queue group: its dead letters, what its members say, and what nobody can see", async () => {
  const { client, nats } = system;
  const queue = { stream: "core", delivery: { mode: "queue" as const }, ledger: "none" as const };
  for (const group of ["q", "other"])
    await client.groups.apply.mutate({ spec: specOf({ ...queue, group, subjects: ["live.>"] }) });
  for (const group of ["q", "q", "other"]) await nats.js.publish(`muster.dlq.core.${group}.exhausted`, "{}");
  await nats.js.publish("muster.archive.core.q.exhausted", "{}");
  const record = memberOf({ delivery: "queue", in_flight: 3, counts: { ...noCounts, done: 7 } });
  await putEntry(nats, buckets.members, "core.q.m1", JSON.stringify(record), 0);
  const told = await client.verify.query({ stream: "core", group: "q" });
  expect(told).toMatchObject({ ok: false, lost: [], terms: { dead: 2, archived: 1, done: 0, in_flight: 3 } });
  expect(told.no_account).toContain("core NATS");
  expect(told.cannot_see.join("\n")).toMatch(
    /what was published.*\n.*the 1 members that live say 7 .*\nwhat was lost/,
  );
});
