import { jetstream, type JsMsg, type StreamConfig } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applyGroup } from "../src/groups/apply.ts";
import { wantedConsumer } from "../src/groups/consumer-config.ts";
import { order, refusalOf, settleDone, specOf, startSystem, take } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

const specFor = (stream: string, over: Parameters<typeof specOf>[0] = {}) =>
  specOf({ stream, subjects: [`${stream.toLowerCase()}.>`], ...over });
const apply = (stream: string, over: { adopt?: boolean; group?: string } = {}) =>
  system.client.groups.apply.mutate({
    spec: specFor(stream, over.group === undefined ? {} : { group: over.group }),
    adopt: over.adopt ?? true,
  });
const plan = (stream: string) => system.client.groups.plan.mutate({ spec: specFor(stream), adopt: true });
const configOf = async (stream: string) => (await system.nats.jsm.streams.info(stream)).config;

/** A work queue with a consumer and a stream of dead letters, as the nats CLI and other tools would make them. */
async function theirs(stream: string, over: Partial<StreamConfig> = {}) {
  const { jsm } = system.nats;
  const subjects = [`${stream.toLowerCase()}.>`];
  await jsm.streams.add({
    name: stream,
    subjects,
    retention: "workqueue",
    discard: "old",
    max_msgs: 1000,
    max_msgs_per_subject: 500,
    metadata: { team: "shop" },
    ...over,
  });
  await jsm.consumers.add(stream, {
    durable_name: "billing",
    ack_policy: "explicit",
    filter_subject: subjects[0] ?? "",
    max_deliver: 4,
    backoff: [5e9, 10e9],
    inactive_threshold: 3600e9,
    metadata: { team: "shop" },
  });
}

describe("a take-over", () => {
  test("keeps messages and the consumer's place, and marks what it changed as Muster's", async () => {
    const { nats, client } = system;
    await theirs("MOVED");
    for (let n = 1; n <= 6; n++) await nats.js.publish("moved.created", JSON.stringify(order(`o${n}`)));
    const consumer = await jetstream(nats.nc).consumers.get("MOVED", "billing");
    const taken: JsMsg[] = [];
    for await (const message of await consumer.fetch({ max_messages: 3, expires: 2000 })) taken.push(message);
    await taken[0]?.ackAck();
    await taken[1]?.ackAck();
    const planned = await plan("MOVED");
    expect(planned.changes.filter(({ change }) => change === "take_over")).toEqual([
      {
        what: "stream MOVED",
        change: "take_over",
        differences: [
          { field: "subjects", is: ["moved.>"], wanted: ["moved.>", "muster.replay.MOVED.>"] },
          { field: "max_msg_size", is: -1, wanted: 1024 * 1024 - 32 * 1024 },
          { field: "allow_direct", is: false, wanted: true },
          { field: "discard", is: "old", wanted: "new" },
          { field: "discard_new_per_subject", wanted: true },
          { field: "metadata.muster.kind", wanted: "source" },
        ],
      },
      {
        what: "consumer billing",
        change: "take_over",
        differences: [
          { field: "ack_wait_ms", is: 5000, wanted: 2000 },
          { field: "max_ack_pending", is: 1000, wanted: 200_000 },
          { field: "max_deliver", is: 4, wanted: -1 },
          { field: "filter_subjects", is: ["moved.>"], wanted: ["moved.>", "muster.replay.MOVED.billing.>"] },
          { field: "backoff_ms", is: [5000, 10_000], wanted: [] },
          { field: "inactive_threshold_ms", is: 3_600_000, wanted: 0 },
          { field: "metadata.muster.kind", wanted: "group" },
        ],
      },
    ]);
    const { changes } = await apply("MOVED");
    expect(changes).toContainEqual({ what: "stream MOVED", change: "taken_over" });
    expect(changes).toContainEqual({ what: "consumer billing", change: "taken_over" });
    expect(await configOf("MOVED")).toMatchObject({
      retention: "workqueue",
      discard: "new",
      discard_new_per_subject: true,
      max_msgs: 1000,
      metadata: { team: "shop", "muster.kind": "source", "muster.stream": "MOVED" },
    });
    const info = await nats.jsm.consumers.info("MOVED", "billing");
    expect(info).toMatchObject({
      num_pending: 3,
      num_ack_pending: 1,
      config: { max_deliver: -1, ack_wait: 2e9, metadata: { team: "shop", "muster.kind": "group" } },
    });
    expect(info.config.backoff ?? []).toEqual([]);
    expect(info.config.inactive_threshold ?? 0).toBe(0);
    // What was acked is gone, what was in hand comes again when its wait is over, the rest as it lay.
    const seen = new Set<number>();
    const again = await jetstream(nats.nc).consumers.get("MOVED", "billing");
    while (seen.size < 4) {
      const message = await again.next({ expires: 10_000 });
      if (message === null) break;
      seen.add(message.seq);
      await message.ackAck();
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([3, 4, 5, 6]);
    expect((await nats.jsm.streams.info("MOVED")).state.messages).toBe(0);
    expect((await plan("MOVED")).changes.every(({ change }) => change === "unchanged")).toBe(true);
    expect((await client.doctor.query({ stream: "MOVED" })).findings.map(({ id }) => id)).not.toContain(
      "drift",
    );
  });

  test("never happens without consent", async () => {
    await theirs("ASKED");
    const before = await configOf("ASKED");
    const refused = await refusalOf(apply("ASKED", { adopt: false }));
    expect([refused.code, refused.message.includes("with adopt")]).toEqual(["foreign", true]);
    expect(await configOf("ASKED")).toEqual(before);
    await apply("ASKED");
    // Consent was for what was there: another consumer of others' stays theirs.
    await system.nats.jsm.consumers.add("ASKED", {
      durable_name: "second",
      ack_policy: "explicit",
      filter_subject: "muster.replay.ASKED.second.>",
    });
    const second = specFor("ASKED", { group: "second", subjects: ["asked2.>"] });
    expect((await refusalOf(system.client.groups.apply.mutate({ spec: second }))).code).toBe("foreign");
  });

  test("goes on where it was killed after the stream", async () => {
    const { nats } = system;
    await theirs("HALF");
    const spec = specFor("HALF");
    // As an apply leaves it that was killed behind the stream's update.
    await nats.jsm.streams.update("HALF", {
      subjects: ["half.>", "muster.replay.HALF.>"],
      metadata: { "muster.kind": "source", "muster.stream": "HALF" },
    });
    const { changes } = await applyGroup(nats, spec, {}, true);
    expect(changes).toContainEqual({ what: "stream HALF", change: "updated" });
    expect(changes).toContainEqual({ what: "consumer billing", change: "taken_over" });
    expect((await applyGroup(nats, spec, {}, true)).changes.map(({ change }) => change)).not.toContain(
      "taken_over",
    );
  });

  test("by two at once leaves one result", async () => {
    const { nats } = system;
    await theirs("TWICE");
    const both = await Promise.all([1, 2].map(() => applyGroup(nats, specFor("TWICE"), {}, true)));
    expect(both.map(({ revision }) => revision)).toEqual([both[0]?.revision, both[0]?.revision]);
    expect(
      await plan("TWICE").then(({ changes }) => changes.filter(({ change }) => change !== "unchanged")),
    ).toEqual([]);
  });

  test("of a dead-letter stream makes it keep what it gets", async () => {
    const { nats } = system;
    await theirs("DEAD");
    await nats.jsm.streams.add({
      name: "DEAD_DLQ",
      subjects: ["old.dead.>"],
      max_age: 60e9,
      max_msgs: 10,
      no_ack: true,
    });
    nats.nc.publish("old.dead.x", "one");
    await nats.nc.flush();
    const { changes } = await apply("DEAD");
    expect(changes).toContainEqual({ what: "stream DEAD_DLQ", change: "taken_over" });
    expect(await nats.jsm.streams.info("DEAD_DLQ")).toMatchObject({
      state: { messages: 1 },
      config: {
        subjects: ["muster.archive.DEAD.>", "muster.dlq.DEAD.>", "old.dead.>"],
        discard: "new",
        max_age: 0,
        duplicate_window: 3600e9,
        metadata: { "muster.kind": "dlq" },
      },
    });
    expect((await configOf("DEAD_DLQ")).no_ack ?? false).toBe(false);
  });

  test.each(["workqueue", "limits"] as const)(
    "does not call lost what others settled before it, and finds what is lost after: %s",
    async (retention) => {
      const { nats, client } = system;
      const stream = `PAST_${retention}`;
      await theirs(stream, { retention });
      const publish = (n: number) =>
        nats.js.publish(`${stream.toLowerCase()}.created`, JSON.stringify(order(`o${n}`)));
      for (let n = 1; n <= 4; n++) await publish(n);
      const consumer = await jetstream(nats.nc).consumers.get(stream, "billing");
      for (let n = 1; n <= 2; n++) await (await consumer.next({ expires: 2000 }))?.ackAck();
      await apply(stream);
      for (let n = 1; n <= 2; n++) await settleDone(nats, await take(nats, stream));
      const closed = await client.verify.query({ stream, group: "billing" });
      expect(closed).toMatchObject({ ok: true, terms: { done: 2, lost: 0 } });
      expect(closed.cannot_see.join()).toMatch(/up to sequence [24] that left no row/);
      await publish(5);
      await (await take(nats, stream)).ackAck();
      expect(await client.verify.query({ stream, group: "billing" })).toMatchObject({
        ok: false,
        lost: [{ sequence: 5 }],
      });
    },
  );

  test("does not call lost either what another consumer had settled", async () => {
    const { nats, client } = system;
    await theirs("SHARED");
    await nats.jsm.consumers.update("SHARED", "billing", { filter_subject: "shared.mine" });
    await nats.jsm.consumers.add("SHARED", {
      durable_name: "other",
      ack_policy: "explicit",
      filter_subject: "shared.other",
    });
    for (let n = 1; n <= 3; n++) await nats.js.publish("shared.other", "{}");
    const other = await jetstream(nats.nc).consumers.get("SHARED", "other");
    for (let n = 1; n <= 3; n++) await (await other.next({ expires: 2000 }))?.ackAck();
    await client.groups.apply.mutate({ spec: specFor("SHARED", { subjects: ["shared.mine"] }), adopt: true });
    expect(await client.verify.query({ stream: "SHARED", group: "billing" })).toMatchObject({
      ok: true,
      terms: { lost: 0 },
    });
  });

  test("goes on where it was killed after the consumer", async () => {
    const { nats } = system;
    await theirs("OTHERHALF");
    await nats.jsm.consumers.update("OTHERHALF", "billing", { metadata: { "muster.kind": "group" } });
    const { changes } = await applyGroup(nats, specFor("OTHERHALF"), {}, true);
    expect(changes).toContainEqual({ what: "stream OTHERHALF", change: "taken_over" });
    expect(changes).toContainEqual({ what: "consumer billing", change: "updated" });
  });

  test("is deleted like what Muster made, and audited like every change", async () => {
    const { client, nats } = system;
    await theirs("GONE");
    await apply("GONE");
    const rows = (await client.audit.list.query({ limit: 10, action: "groups.apply" })).rows;
    expect(rows.find(({ input }) => input?.includes('"GONE"'))?.input).toContain('"adopt":true');
    const removal = await client.groups.delete.mutate({
      stream: "GONE",
      group: "billing",
      confirm: "billing",
    });
    expect(removal.removes).toEqual(["spec GONE.billing", "consumer billing"]);
    await expect(nats.jsm.consumers.info("GONE", "billing")).rejects.toThrow("consumer not found");
  });

  test("refuses to leave messages behind that the consumer would get too late", async () => {
    const { nats, client } = system;
    await theirs("WIDE");
    await nats.jsm.consumers.update("WIDE", "billing", { filter_subject: "wide.x" });
    for (const subject of ["wide.y", "wide.x", "wide.x"]) await nats.js.publish(subject, "{}");
    const consumer = await jetstream(nats.nc).consumers.get("WIDE", "billing");
    expect((await consumer.next({ expires: 2000 }))?.seq).toBe(2);
    const refused = await refusalOf(apply("WIDE"));
    expect(refused.code).toBe("skips_messages");
    expect(refused.message).toContain(
      "is at sequence 2 and would never deliver what lies before it of wide.>",
    );
    expect(refused.message).toContain("such as message 1.");
    // What it took already, and has in flight, is no obstacle.
    await nats.jsm.streams.deleteMessage("WIDE", 1);
    expect((await apply("WIDE")).changes).toContainEqual({ what: "consumer billing", change: "taken_over" });
    // A group of Muster's that is deleted and made again gets everything.
    await client.groups.apply.mutate({ spec: specFor("OWN", { subjects: ["own.x"] }) });
    await nats.jsm.streams.update("OWN", { subjects: ["own.>", "muster.replay.OWN.>"] });
    for (const subject of ["own.y", "own.x"]) await nats.js.publish(subject, "{}");
    const narrow = await jetstream(nats.nc).consumers.get("OWN", "billing");
    await (await narrow.next({ expires: 2000 }))?.ackAck();
    const wide = { spec: specFor("OWN") };
    expect((await refusalOf(client.groups.apply.mutate(wide))).code).toBe("skips_messages");
    await client.groups.delete.mutate({ stream: "OWN", group: "billing", confirm: "billing" });
    await client.groups.apply.mutate(wide);
    const made = await jetstream(nats.nc).consumers.get("OWN", "billing");
    expect((await made.next({ expires: 2000 }))?.subject).toBe("own.y");
  });

  test.each<[string, string, Partial<StreamConfig>, string]>([
    ["needs_new_stream", "SEALED", { sealed: true, retention: "limits" }, "it is sealed"],
    [
      "needs_new_stream",
      "KV_shop",
      { subjects: ["$KV.shop.>"], retention: "limits", max_msgs_per_subject: 1 },
      "it holds $KV.shop.>",
    ],
    [
      "needs_new_stream",
      "MIRROR",
      { mirror: { name: "ORIGIN" }, subjects: [], retention: "limits" },
      "mirrors ORIGIN",
    ],
  ])("refuses with %s what no update changes: %s", async (code, stream, over, why) => {
    const { sealed = false, ...made } = over;
    await system.nats.jsm.streams.add({ name: stream, subjects: [`${stream.toLowerCase()}.>`], ...made });
    if (sealed) await system.nats.jsm.streams.update(stream, { sealed } as Partial<StreamConfig>);
    const refused = await refusalOf(apply(stream));
    expect([refused.code, refused.message.includes(why)]).toEqual([code, true]);
  });

  test.each<[string, object, string]>([
    ["NEWONLY", { deliver_policy: "new" }, "deliver policy is new"],
    ["NOACK", { ack_policy: "none" }, "ack policy is none"],
    ["PUSHED", { deliver_subject: "x.push" }, "members pull"],
    ["SLOW", { replay_policy: "original" }, "speed of publishing"],
    ["PRIO", { priority_groups: ["a"], priority_policy: "overflow" }, "priority groups"],
  ])("refuses a consumer that no update makes fit: %s", async (stream, over, why) => {
    const { jsm } = system.nats;
    await jsm.streams.add({ name: stream, subjects: [`${stream.toLowerCase()}.>`] });
    await jsm.consumers.add(stream, { durable_name: "billing", ack_policy: "explicit", ...over });
    const before = await configOf(stream);
    const refused = await refusalOf(apply(stream));
    expect([refused.code, refused.message.includes(why)]).toEqual(["needs_new_consumer", true]);
    expect(await configOf(stream)).toEqual(before);
  });
});

describe("the account of a stream that is adopted read-only", () => {
  test.each(["workqueue", "limits"] as const)(
    "on %s: what others settled before is not called lost",
    async (retention) => {
      const { nats, client } = system;
      const stream = `GUEST_${retention}`;
      const spec = specFor(stream);
      const subjects = [...spec.subjects, `muster.replay.${stream}.>`];
      await nats.jsm.streams.add({ name: stream, subjects, retention, discard: "new" });
      const { metadata: _, ...consumer } = wantedConsumer(spec);
      await nats.jsm.consumers.add(stream, consumer);
      const publish = (n: number) =>
        nats.js.publish(`${stream.toLowerCase()}.created`, JSON.stringify(order(`o${n}`)));
      for (let n = 1; n <= 4; n++) await publish(n);
      for (let n = 1; n <= 3; n++) await (await take(nats, stream)).ackAck();
      const { changes } = await client.groups.apply.mutate({ spec });
      for (const what of [`stream ${stream}`, "consumer billing"])
        expect(changes).toContainEqual({ what, change: "adopted" });
      const verify = () => client.verify.query({ stream, group: "billing" });
      expect(await verify()).toMatchObject({ ok: true, terms: { waiting: 1, lost: 0 } });
      await settleDone(nats, await take(nats, stream));
      await publish(5);
      await settleDone(nats, await take(nats, stream));
      const closed = await verify();
      expect(closed).toMatchObject({ ok: true, terms: { accepted: 2, done: 2, lost: 0 } });
      expect(closed.cannot_see.join()).toContain("up to sequence 4 that left no row: the stream is others'");
      await publish(6);
      await (await take(nats, stream)).ackAck();
      expect(await verify()).toMatchObject({ ok: false, lost: [{ sequence: 6 }], terms: { lost: 1 } });
    },
  );

  test("on limits, with a consumer of Muster's own, sees every message", async () => {
    const { nats, client } = system;
    const spec = specFor("GUESTLOG");
    const subjects = [...spec.subjects, "muster.replay.GUESTLOG.>"];
    await nats.jsm.streams.add({ name: "GUESTLOG", subjects, discard: "new" });
    for (let n = 1; n <= 2; n++) await nats.js.publish("guestlog.created", JSON.stringify(order(`o${n}`)));
    await client.groups.apply.mutate({ spec });
    await (await take(nats, "GUESTLOG")).ackAck();
    expect(await client.verify.query({ stream: "GUESTLOG", group: "billing" })).toMatchObject({
      ok: false,
      lost: [{ sequence: 1 }],
    });
  });
});

describe("what loses in silence is refused", () => {
  const limits = { retention: "limits" } as const;

  test("an age of the stream that retries outlast, for the group and for those that are there", async () => {
    const { client } = system;
    const short = { max_age_ms: 60_000 };
    const slow = specFor("AGED", { timeout_ms: 60_000 });
    const refused = await refusalOf(client.groups.apply.mutate({ spec: slow, stream: short }));
    expect(refused.code).toBe("silent_loss");
    expect(refused.message).toMatch(/after 60000 ms, and those of group billing may take 489200 ms/);
    await client.groups.apply.mutate({ spec: slow, stream: limits });
    const quick = specFor("AGED", { group: "quick", timeout_ms: 10, retry: { max_attempts: 1 } });
    const other = await refusalOf(client.groups.apply.mutate({ spec: quick, stream: short }));
    expect([other.code, other.message.includes("of group billing")]).toEqual(["silent_loss", true]);
    await client.groups.apply.mutate({ spec: quick, stream: { max_age_ms: 600_000 } });
    expect((await configOf("AGED")).max_age).toBe(600_000e6);
  });

  test.each<[string, Partial<StreamConfig>, string]>([
    ["OLDMSGS", { max_msgs: 10 }, "max_msgs 10"],
    ["OLDBYTES", { max_bytes: 1000 }, "max_bytes 1000"],
    ["BYSUBJECT", { discard: "new", max_msgs_per_subject: 1 }, "max_msgs_per_subject 1"],
    ["SHORT", { max_age: 60e9 }, "would drop messages after 60000 ms"],
  ])("a stream of others that drops: %s", async (name, over, why) => {
    const subjects = [`${name.toLowerCase()}.>`, `muster.replay.${name}.>`];
    await system.nats.jsm.streams.add({ name, subjects, ...over });
    const before = await configOf(name);
    const refused = await refusalOf(apply(name, { adopt: false }));
    expect([refused.code, refused.message.includes(why)]).toEqual(["silent_loss", true]);
    expect(await configOf(name)).toEqual(before);
  });

  test("a stream of Muster's own that somebody made drop is mended", async () => {
    await apply("MENDED", { adopt: false });
    await system.nats.jsm.streams.update("MENDED", { discard: "old", max_msgs: 100 });
    await apply("MENDED", { adopt: false });
    expect((await configOf("MENDED")).discard).toBe("new");
  });
});
