import { buckets } from "@muster/contracts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applyGroup } from "../src/groups/apply.ts";
import { bucketStream, getText, putEntry } from "../src/nats/bucket.ts";
import { memberOf, noCounts, order, specOf, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: { data?: { muster_code?: string }; message: string }) => error.data?.muster_code ?? error.message,
  );

describe("groups.apply", () => {
  test("makes all that a group needs, and nothing the second time", async () => {
    const { client, nats } = system;
    const first = await client.groups.apply.mutate({ spec: specOf() });
    expect(first.changes.map(({ change }) => change)).not.toContain("unchanged");
    expect(first.changes.at(-1)).toEqual({ what: "spec ORDERS.billing", change: "created" });

    const again = await client.groups.apply.mutate({ spec: specOf() });
    expect(again.revision).toBe(first.revision);
    expect(new Set(again.changes.map(({ change }) => change))).toEqual(new Set(["unchanged"]));

    const { config } = await nats.jsm.streams.info("ORDERS");
    expect(config).toMatchObject({
      retention: "workqueue",
      storage: "file",
      discard: "new",
      subjects: ["muster.replay.ORDERS.>", "orders.>"],
      max_msg_size: 1024 * 1024 - 32 * 1024,
    });
    const dlq = (await nats.jsm.streams.info("ORDERS_DLQ")).config;
    expect(dlq).toMatchObject({
      retention: "limits",
      discard: "new",
      duplicate_window: 3600e9,
      subjects: ["muster.dlq.ORDERS.>", "muster.archive.ORDERS.>"],
    });
    const consumer = (await nats.jsm.consumers.info("ORDERS", "billing")).config;
    expect(consumer).toMatchObject({
      ack_policy: "explicit",
      max_deliver: -1,
      ack_wait: 2000e6,
      filter_subjects: ["orders.>", "muster.replay.ORDERS.billing.>"],
    });
  });

  test("makes the buckets as the design has them", async () => {
    const { nats } = system;
    const config = async (bucket: string) => (await nats.jsm.streams.info(`KV_${bucket}`)).config;
    expect(await config("MUSTER_GROUPS")).toMatchObject({
      max_msgs_per_subject: 10,
      storage: "file",
      allow_direct: true,
    });
    expect(await config("MUSTER_MEMBERS")).toMatchObject({ max_age: 15e9, allow_rollup_hdrs: false });
    expect(await config("MUSTER_ATTEMPTS")).toMatchObject({ max_age: 7 * 86400e9, allow_rollup_hdrs: false });
    expect(await config("MUSTER_LEDGER")).toMatchObject({
      max_msgs_per_subject: 5,
      allow_rollup_hdrs: false,
    });
    expect(await config("MUSTER_REPLAYS")).toMatchObject({ allow_rollup_hdrs: false });
    expect(JSON.parse((await getText(nats, buckets.contracts, "order.v1")) ?? "")).toMatchObject({
      title: "order.v1",
    });
  });

  test("takes the markers, and the rollups that they need, from a members bucket of before", async () => {
    const { nats, client } = system;
    const name = bucketStream(buckets.members);
    const before = { allow_msg_ttl: true, subject_delete_marker_ttl: 15e9, allow_rollup_hdrs: true };
    await nats.jsm.streams.update(name, before);
    await client.groups.apply.mutate({ spec: specOf() });
    const { config } = await nats.jsm.streams.info(name);
    expect([config.allow_rollup_hdrs, config.subject_delete_marker_ttl ?? 0]).toEqual([false, 0]);
  });

  test("changes a live group in place, and its ack wait with it", async () => {
    const { client, nats } = system;
    const changed = await client.groups.apply.mutate({ spec: specOf({ ack_wait_ms: 3000, paused: true }) });
    expect(changed.changes.filter(({ change }) => change === "updated").map(({ what }) => what)).toEqual([
      "consumer billing",
      "spec ORDERS.billing",
    ]);
    expect((await nats.jsm.consumers.info("ORDERS", "billing")).config.ack_wait).toBe(3000e6);
    const group = await client.groups.get.query({ stream: "ORDERS", group: "billing" });
    expect(group).toMatchObject({
      revision: changed.revision,
      spec: { paused: true },
      members: [],
      ready: 0,
      has_consumer: true,
    });
  });

  test("two equal applies at once both succeed, two different ones leave one spec and its consumer", async () => {
    const { client, nats } = system;
    const spec = specOf({ stream: "RACE", subjects: ["race.>"] });
    await Promise.all([1, 2, 3].map(() => client.groups.apply.mutate({ spec })));
    const results = await Promise.allSettled(
      [5000, 6000, 7000].map((ack_wait_ms) => client.groups.apply.mutate({ spec: { ...spec, ack_wait_ms } })),
    );
    expect(results.some(({ status }) => status === "fulfilled")).toBe(true);
    for (const result of results)
      if (result.status === "rejected") expect(result.reason.data.muster_code).toBe("changed_meanwhile");
    const stored = await client.groups.get.query({ stream: "RACE", group: "billing" });
    const { config } = await nats.jsm.consumers.info("RACE", "billing");
    expect(Number(config.ack_wait) / 1e6).toBe(stored.spec.ack_wait_ms);
  });

  test("groups applied at once to one stream all find their subjects in it", async () => {
    const { client, nats } = system;
    const names = ["a", "b", "c", "d"];
    await Promise.all(
      names.map((name) =>
        client.groups.apply.mutate({
          spec: specOf({ stream: "MANY", group: name, subjects: [`many.${name}.>`] }),
          stream: { retention: "limits" },
        }),
      ),
    );
    const { config } = await nats.jsm.streams.info("MANY");
    expect(config.subjects.toSorted()).toEqual([
      "many.a.>",
      "many.b.>",
      "many.c.>",
      "many.d.>",
      "muster.replay.MANY.>",
    ]);
    expect((await client.groups.list.query()).filter(({ stream }) => stream === "MANY")).toHaveLength(4);
  });

  test.each([
    ["bad_name", { group: "a.b" }],
    ["bad_request", { stream: "with space" }],
    ["bad_spec", { stream: "core" }],
    ["unknown_contract", { contracts: ["invoice.v9"] }],
    ["bad_subject", { subjects: [">"] }],
    ["bad_spec", { subjects: ["muster.dlq.>"] }],
    ["bad_subject", { subjects: ["$KV.>"] }],
    ["bad_subject", { subjects: ["*.created"] }],
    ["bad_spec", { subjects: ["orders.>", "orders.created"] }],
    ["unknown_field", { ack_wait: 3 }],
  ])("refuses with %s: %j", async (code, over) => {
    const spec = { ...specOf(), ...over };
    const got = await codeOf(system.client.groups.apply.mutate({ spec }));
    expect(code.startsWith("bad_") ? ["bad_request", code] : [code]).toContain(got);
  });

  test("refuses a second group on the same work queue subjects, and makes nothing of it", async () => {
    const { client, nats } = system;
    expect(
      await codeOf(
        client.groups.apply.mutate({
          spec: specOf({ group: "second", subjects: ["orders.created", "other.>"] }),
        }),
      ),
    ).toBe("overlapping_filters");
    expect((await nats.jsm.streams.info("ORDERS")).config.subjects).not.toContain("other.>");
    expect(await codeOf(client.groups.get.query({ stream: "ORDERS", group: "second" }))).toBe("no_group");
  });

  test("refuses another retention, and subjects that another stream has", async () => {
    const { client } = system;
    expect(
      await codeOf(client.groups.apply.mutate({ spec: specOf(), stream: { retention: "limits" } })),
    ).toBe("needs_new_stream");
    expect(await codeOf(client.groups.apply.mutate({ spec: specOf({ stream: "OTHER" }) }))).toBe(
      "overlapping_subjects",
    );
    expect(
      await codeOf(client.groups.apply.mutate({ spec: specOf({ stream: "ORDERS_DLQ", subjects: ["x.>"] }) })),
    ).toBe("foreign");
  });

  test("adopts a stream that others made when it fits, and never rewrites it", async () => {
    const { client, nats } = system;
    await nats.jsm.streams.add({ name: "THEIRS", subjects: ["theirs.>"], retention: "limits" });
    const spec = specOf({ stream: "THEIRS", subjects: ["theirs.>"] });
    expect(await codeOf(client.groups.apply.mutate({ spec }))).toBe("foreign");
    await nats.jsm.streams.update("THEIRS", { subjects: ["theirs.>", "muster.replay.THEIRS.>"] });
    const before = (await nats.jsm.streams.info("THEIRS")).config;
    const { changes } = await client.groups.apply.mutate({ spec });
    expect(changes).toContainEqual({ what: "stream THEIRS", change: "adopted" });
    expect((await nats.jsm.streams.info("THEIRS")).config).toEqual(before);
  });

  test("leaves a consumer that others made alone: adopted when it fits, refused when not", async () => {
    const { client, nats } = system;
    await client.groups.apply.mutate({
      spec: specOf({ stream: "MIXED", group: "mine", subjects: ["mixed.a.>"] }),
      stream: { retention: "limits" },
    });
    await nats.jsm.consumers.add("MIXED", { durable_name: "finite", ack_policy: "explicit", max_deliver: 3 });
    expect(
      await codeOf(
        client.groups.apply.mutate({
          spec: specOf({ stream: "MIXED", group: "finite", subjects: ["mixed.a.>"] }),
        }),
      ),
    ).toBe("foreign");
    await nats.jsm.consumers.add("MIXED", { durable_name: "none", ack_policy: "none" });
    expect(
      await codeOf(
        client.groups.apply.mutate({
          spec: specOf({ stream: "MIXED", group: "none", subjects: ["mixed.a.>"] }),
        }),
      ),
    ).toBe("needs_new_consumer");
    await nats.jsm.consumers.add("MIXED", {
      durable_name: "fits",
      ack_policy: "explicit",
      max_deliver: -1,
      ack_wait: 2000e6,
      max_ack_pending: 200_000,
      filter_subjects: ["mixed.a.>", "muster.replay.MIXED.fits.>"],
    });
    const { changes } = await client.groups.apply.mutate({
      spec: specOf({ stream: "MIXED", group: "fits", subjects: ["mixed.a.>"] }),
    });
    expect(changes).toContainEqual({ what: "consumer fits", change: "adopted" });
  });

  test("mends what was deleted: the consumer, the bucket, the stream", async () => {
    const { client, nats } = system;
    await nats.jsm.consumers.delete("MANY", "a");
    expect(await client.groups.get.query({ stream: "MANY", group: "a" })).toMatchObject({
      has_consumer: false,
      has_stream: true,
    });
    await nats.jsm.streams.delete("KV_MUSTER_REPLAYS");
    const { changes } = await client.groups.apply.mutate({
      spec: specOf({ stream: "MANY", group: "a", subjects: ["many.a.>"] }),
    });
    expect(changes.filter(({ change }) => change === "created").map(({ what }) => what)).toEqual([
      "bucket MUSTER_REPLAYS",
      "consumer a",
    ]);
  });

  test("a spec changed between reading and writing is not overwritten", async () => {
    const { nats } = system;
    const spec = specOf({ stream: "CAS", subjects: ["cas.>"] });
    const { revision } = await applyGroup(nats, spec);
    const other = JSON.stringify({ ...spec, ack_wait_ms: 4000 });
    const late = applyGroup(nats, { ...spec, ack_wait_ms: 9000 });
    const won = await putEntry(nats, buckets.groups, "CAS.billing", other, revision);
    const result = await codeOf(late);
    // Whoever was first: the consumer is the stored spec's.
    const stored = JSON.parse((await getText(nats, buckets.groups, "CAS.billing")) ?? "{}") as {
      ack_wait_ms: number;
    };
    const consumer = Number((await nats.jsm.consumers.info("CAS", "billing")).config.ack_wait) / 1e6;
    if (won !== "conflict" && stored.ack_wait_ms === 4000) expect(consumer).toBe(4000);
    else expect([result, consumer]).toEqual(["no error", 9000]);
  });
});

describe("groups.get and list", () => {
  test("show members by their heartbeats, and what waits where", async () => {
    const { client, nats } = system;
    await client.groups.apply.mutate({ spec: specOf() });
    const first = memberOf({
      held: 1,
      in_flight: 1,
      counts: { done: 5, retry: 1, snoozed: 0, returned: 0, dead: 1, repeat: 2, stale: 1 },
    });
    await putEntry(nats, buckets.members, "ORDERS.billing.m1", JSON.stringify(first), 0);
    // An older member tells less.
    const second = memberOf({ id: "m2", language: "py", degraded: true });
    await putEntry(nats, buckets.members, "ORDERS.billing.m2", JSON.stringify(second), 0);
    await putEntry(nats, buckets.members, "ORDERS.billing.broken", "{", 0);
    await client.orders.publish.mutate({
      orders: ["a", "b", "c", "d"].map((id) => ({ event: "created", order: order(id) })),
    });
    const consumer = await nats.js.consumers.get("ORDERS", "billing");
    const nakked = await consumer.next();
    nakked?.nak(60_000);
    await consumer.next();
    const group = await client.groups.get.query({ stream: "ORDERS", group: "billing" });
    expect(group).toMatchObject({
      ready: 2,
      in_flight: 1,
      held: 1,
      ack_pending: 2,
      backing_off: 1,
      dead: 0,
      degraded: 1,
      counts: { done: 5, retry: 1, snoozed: 0, returned: 0, dead: 1, repeat: 2, stale: 1 },
    });
    expect(group.members).toMatchObject([
      { id: "m1", degraded: false, counts: { repeat: 2, stale: 1 } },
      { id: "m2", degraded: true, counts: { repeat: 0, stale: 0 } },
    ]);
    const line = (await client.groups.list.query()).find(
      (one) => one.stream === "ORDERS" && one.group === "billing",
    );
    expect(line).toMatchObject({
      mode: "pull",
      ledger: "kv",
      members: { go: 1, py: 1 },
      ready: 2,
      held: 1,
      degraded: 1,
      counts: { repeat: 2, stale: 1 },
      has_consumer: true,
    });
  });

  test("show what a member holds beside what it runs: the rest of ack pending backs off", async () => {
    const { client, nats } = system;
    await client.groups.apply.mutate({ spec: specOf({ stream: "HELD", subjects: ["held.>"] }) });
    for (let i = 0; i < 6; i++) await nats.js.publish("held.x", "{}");
    const consumer = await nats.js.consumers.get("HELD", "billing");
    for await (const _ of await consumer.fetch({ max_messages: 6, expires: 1000 }));
    const member = memberOf({ in_flight: 1, held: 4 });
    await putEntry(nats, buckets.members, "HELD.billing.m1", JSON.stringify(member), 0);
    expect(await client.groups.get.query({ stream: "HELD", group: "billing" })).toMatchObject({
      in_flight: 1,
      held: 4,
      ack_pending: 6,
      backing_off: 2,
    });
  });

  test("show a queue group by its members alone, and its dead letters", async () => {
    const { client, nats } = system;
    const spec = specOf({
      stream: "core",
      group: "live",
      subjects: ["live.>"],
      delivery: { mode: "queue" },
      ledger: "none",
    });
    await client.groups.apply.mutate({ spec });
    const member = memberOf({ delivery: "queue", in_flight: 2, held: 5, counts: { ...noCounts, done: 7 } });
    await putEntry(nats, buckets.members, "core.live.m1", JSON.stringify(member), 0);
    await nats.js.publish("muster.dlq.core.live.exhausted", "{}");
    const figures = { ready: 0, in_flight: 2, held: 5, ack_pending: 0, backing_off: 0, dead: 1 };
    const group = await client.groups.get.query({ stream: "core", group: "live" });
    expect(group).toMatchObject({ ...figures, dead_by_reason: { exhausted: 1 }, counts: { done: 7 } });
    const line = (await client.groups.list.query()).find(({ stream }) => stream === "core");
    expect(line).toMatchObject({ ...figures, mode: "queue", ledger: "none", members: { go: 1 } });
    for (const shown of [group, line])
      for (const field of ["has_stream", "has_consumer"]) expect(shown).not.toHaveProperty(field);
  });

  test("a group that is not there is an error with a code", async () => {
    expect(await codeOf(system.client.groups.get.query({ stream: "ORDERS", group: "nobody" }))).toBe(
      "no_group",
    );
    expect(await codeOf(system.client.groups.get.query({ stream: "a.*.>", group: "x" }))).toBe("bad_name");
  });
});
