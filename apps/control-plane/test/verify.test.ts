import { buckets, ledgerKey } from "@muster/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deleteEntry, getEntry } from "../src/nats/bucket.ts";
import { toMsgHdrs } from "../src/nats/headers.ts";
import { order, settleDead, settleDone, specOf, startSystem, take } from "./system.ts";

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

async function forget(eventId: string): Promise<void> {
  const key = ledgerKey("ORDERS", "billing", eventId);
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
