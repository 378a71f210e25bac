import { afterAll, beforeAll, expect, test } from "vitest";
import { order, settleDead, settleDone, specOf, startSystem, take } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

test("says that no stream takes orders, until there is one", async () => {
  const { client } = system;
  const orders = [{ event: "created" as const, order: order("o1") }];
  await expect(client.orders.publish.mutate({ orders })).rejects.toMatchObject({
    data: { muster_code: "no_stream" },
  });
  await client.groups.apply.mutate({ spec: specOf() });
  expect((await client.orders.publish.mutate({ orders })).outcomes).toEqual([
    { index: 0, outcome: "published", event_id: "o1.created", stream: "ORDERS", seq: 1 },
  ]);
});

test("gives an outcome for each item: published, duplicate, invalid", async () => {
  const { client } = system;
  const { outcomes, counts } = await client.orders.publish.mutate({
    stream: "ORDERS",
    orders: [
      { event: "created", order: order("o1") },
      { event: "shipped", order: order("o 2 *.>") },
      { event: "created", order: { ...order("o3"), extra: 1 } },
      { event: "created", order: order("é") },
      { event: "updated", order: order("o4"), event_id: "o4.v2" },
      { event: "updated" },
    ],
  });
  expect(counts).toEqual({ duplicate: 1, published: 2, invalid: 3 });
  expect(outcomes.map((item) => ("code" in item ? item.code : item.event_id))).toEqual([
    "o1.created",
    "o 2 *.>.shipped",
    "schema",
    "schema",
    "o4.v2",
    "empty",
  ]);
});

test("sends what the brief says: subject, ids and contract as headers", async () => {
  const { nats } = system;
  const message = await nats.jsm.streams.getMessage("ORDERS", { last_by_subj: "orders.updated" });
  expect(message?.header.get("Muster-Event-Id")).toBe("o4.v2");
  expect(message?.header.get("Nats-Msg-Id")).toBe("o4.v2");
  expect(message?.header.get("Muster-Contract")).toBe("order.v1");
  expect(message?.json()).toEqual(order("o4"));
});

test("refuses another stream than the one that takes them", async () => {
  const { client } = system;
  const orders = [{ event: "created" as const, order: order("o9") }];
  await expect(client.orders.publish.mutate({ stream: "OTHER", orders })).rejects.toMatchObject({
    data: { muster_code: "no_stream" },
    message: expect.stringContaining("stream ORDERS does"),
  });
});

test("publishes a thousand in one request", async () => {
  const orders = Array.from({ length: 1000 }, (_, i) => ({
    event: "updated" as const,
    order: order(`bulk-${i}`),
  }));
  expect((await system.client.orders.publish.mutate({ orders })).counts).toEqual({ published: 1000 });
});

test("orders.get tells what became of each event", async () => {
  const { client, nats } = system;
  await settleDone(nats, await take(nats));
  await settleDead(nats, await take(nats), "permanent");
  const done = await client.orders.get.query({ stream: "ORDERS", group: "billing", id: "o1" });
  expect(done.events).toMatchObject([
    { event: "created", status: "done", result: { ok: true }, messages: 1 },
    { event: "updated", status: "none" },
    { event: "shipped", status: "none" },
  ]);
  const dead = await client.orders.get.query({ stream: "ORDERS", group: "billing", id: "o 2 *.>" });
  expect(dead.events[2]).toMatchObject({ status: "dead", reason: "permanent", error: "fraud check timeout" });
  await expect(
    client.orders.get.query({ stream: "ORDERS", group: "nobody", id: "o1" }),
  ).rejects.toMatchObject({ data: { muster_code: "no_group" } });
});
