import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SpecInput } from "../src/groups/spec-input.ts";
import { refusalOf, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

/** A spec with as little as an operator may write. */
function specOf(stream: string, over: Partial<SpecInput> = {}): SpecInput {
  return {
    stream,
    group: "g",
    subjects: [`${stream.toLowerCase()}.>`],
    contracts: ["order.v1"],
    ...over,
  };
}

const apply = (spec: SpecInput, stream?: { retention: "limits" | "interest" }) =>
  system.client.groups.apply.mutate({ spec, ...(stream === undefined ? {} : { stream }) });
const consumerOf = async (stream: string) => (await system.nats.jsm.consumers.info(stream, "g")).config;
const push = { delivery: { mode: "push" } } as const;
const batch = { delivery: { mode: "batch", size: 50, wait_ms: 100 } } as const;
const queue: Partial<SpecInput> = {
  group: "q",
  subjects: ["live.>"],
  delivery: { mode: "queue" },
  ledger: "none",
};

describe("a push group", () => {
  test("has the server push to its own subject, shared by its members", async () => {
    await apply(specOf("PUSH", push));
    const config = await consumerOf("PUSH");
    expect(config).toMatchObject({
      deliver_subject: "muster.push.PUSH.g",
      deliver_group: "g",
      ack_policy: "explicit",
      max_deliver: -1,
      filter_subjects: ["push.>", "muster.replay.PUSH.g.>"],
    });
    expect(config.flow_control ?? false).toBe(false);
    expect(config.idle_heartbeat ?? 0).toBe(0);
    expect((await apply(specOf("PUSH", push))).changes.map(({ change }) => change)).not.toContain("updated");
  });

  test.each([
    [{}, 20],
    [{ concurrency: 3, min_members: 4 }, 24],
    [{ concurrency: 3, min_members: 0 }, 6],
    [{ concurrency: 10_000, min_members: 10_000 }, 10_000_000],
    [{ max_ack_pending: 7, concurrency: 3 }, 7],
  ])("with %j is handed %i messages at most", async (over, most) => {
    const spec = SpecInput.parse(specOf("PUSH", { ...push, ...over }));
    expect(spec.max_ack_pending).toBe(most);
    await apply(specOf("PUSH", { ...push, ...over }));
    expect((await consumerOf("PUSH")).max_ack_pending).toBe(most);
  });

  test("hands messages to a subscriber of its subject, with an ack reply", async () => {
    const { nats } = system;
    await apply(specOf("HANDED", push));
    const subscription = nats.nc.subscribe("muster.push.HANDED.g", { queue: "g", max: 1 });
    await nats.js.publish("handed.x", "{}");
    for await (const message of subscription) expect(message.reply).toMatch(/^\$JS\.ACK\.HANDED\.g\./);
  });
});

describe("the other modes", () => {
  test("batch is pulled from, and its default is not that of push", async () => {
    await apply(specOf("BATCH", batch));
    expect(await consumerOf("BATCH")).toMatchObject({ max_ack_pending: 200_000 });
    expect((await consumerOf("BATCH")).deliver_subject).toBeUndefined();
    const { spec } = await system.client.groups.get.query({ stream: "BATCH", group: "g" });
    expect(spec.delivery).toEqual(batch.delivery);
  });

  test.each(["none", "kv", "postgres"] as const)("ledger %s is taken and stored", async (ledger) => {
    const stream = `LEDGER_${ledger}`;
    await apply(specOf(stream, { ledger }));
    const { spec } = await system.client.groups.get.query({ stream, group: "g" });
    expect(spec.ledger).toBe(ledger);
  });

  test("a queue group has no stream and no consumer, but a place for its dead letters", async () => {
    const { nats } = system;
    const first = await apply(specOf("core", queue));
    const made = first.changes.filter(({ what }) => !/^(bucket|contract) /.test(what));
    expect(made).toEqual([
      { what: "stream core_DLQ", change: "created" },
      { what: "spec core.q", change: "created" },
    ]);
    expect((await nats.jsm.streams.info("core_DLQ")).config).toMatchObject({
      subjects: ["muster.dlq.core.>", "muster.archive.core.>"],
      discard: "new",
    });
    await expect(nats.jsm.streams.info("core")).rejects.toThrow("not found");
    const again = await apply(specOf("core", queue));
    expect(new Set(again.changes.map(({ change }) => change))).toEqual(new Set(["unchanged"]));
  });

  test("two queue groups may take the same subjects: each sees every message", async () => {
    await apply(specOf("core", queue));
    expect((await apply(specOf("core", { ...queue, group: "q2" }))).revision).toBeGreaterThan(0);
  });

  test("a queue group with settings for a stream is told that it has none", async () => {
    const { code, message } = await refusalOf(apply(specOf("core", queue), { retention: "limits" }));
    expect(code).toBe("bad_request");
    expect(message).toContain("leave out retention");
  });
});

describe("another mode for a group that is there", () => {
  test("pull and batch share a consumer", async () => {
    await apply(specOf("SHARED"));
    const { changes } = await apply(specOf("SHARED", batch));
    expect(changes).toContainEqual({ what: "consumer g", change: "unchanged" });
    expect(changes.at(-1)).toEqual({ what: "spec SHARED.g", change: "updated" });
  });

  test.each([
    ["workqueue", "kv", "the stream keeps what is not settled"],
    ["limits", "none", "without a ledger everything in it is handled again"],
    ["limits", "kv", "what the ledger knows is only acknowledged"],
    ["interest", "kv", "let it work them off first"],
  ] as const)("push on %s with ledger %s needs a new consumer: %s", async (retention, ledger, way) => {
    const stream = `CHANGE_${retention}_${ledger}`;
    const options = retention === "workqueue" ? undefined : { retention };
    await apply(specOf(stream, { ledger }), options);
    const before = await system.client.groups.get.query({ stream, group: "g" });
    const { code, message } = await refusalOf(apply(specOf(stream, { ...push, ledger })));
    expect(code).toBe("needs_new_consumer");
    expect(message).toContain("choose another group name, or drain");
    expect(message).toContain(way);
    const after = await system.client.groups.get.query({ stream, group: "g" });
    expect(after.revision).toBe(before.revision);
    expect((await consumerOf(stream)).deliver_subject).toBeUndefined();
  });

  test("pull for a push group is refused likewise, and goes when the consumer is deleted", async () => {
    await apply(specOf("BACK", push));
    expect(await refusalOf(apply(specOf("BACK")))).toMatchObject({ code: "needs_new_consumer" });
    await system.nats.jsm.consumers.delete("BACK", "g");
    expect((await apply(specOf("BACK"))).changes).toContainEqual({ what: "consumer g", change: "created" });
  });

  test("a pull and a push apply at once leave one spec, and its consumer", async () => {
    const results = await Promise.allSettled([apply(specOf("ONCE", push)), apply(specOf("ONCE"))]);
    const { spec } = await system.client.groups.get.query({ stream: "ONCE", group: "g" });
    const isPush = (await consumerOf("ONCE")).deliver_subject !== undefined;
    expect(spec.delivery.mode).toBe(isPush ? "push" : "pull");
    expect(results.map(({ status }) => status)).toContain("fulfilled");
  });
});

describe("the consumer of a push group that is there", () => {
  const add = async (stream: string, over: object) => {
    const { jsm } = system.nats;
    await apply(specOf(stream, { group: "other", subjects: [`${stream.toLowerCase()}.other`] }), {
      retention: "limits",
    });
    await jsm.streams.update(stream, {
      subjects: [`${stream.toLowerCase()}.>`, `muster.replay.${stream}.>`],
    });
    await jsm.consumers.add(stream, {
      durable_name: "g",
      ack_policy: "explicit",
      max_deliver: -1,
      ack_wait: 30_000e6,
      max_ack_pending: 20,
      filter_subjects: [`${stream.toLowerCase()}.>`, `muster.replay.${stream}.g.>`],
      deliver_subject: `muster.push.${stream}.g`,
      deliver_group: "g",
      ...over,
    });
  };

  test("made by others is adopted when it fits", async () => {
    await add("FITS", {});
    expect((await apply(specOf("FITS", push))).changes).toContainEqual({
      what: "consumer g",
      change: "adopted",
    });
  });

  test.each([
    ["ELSEWHERE", { deliver_subject: "elsewhere" }, "pushes to elsewhere"],
    ["NOGROUP", { deliver_group: undefined }, "deliver group is none"],
    ["FLOW", { flow_control: true, idle_heartbeat: 5e9, deliver_group: undefined }, "flow control"],
  ])("is refused where members would get nothing: %s", async (stream, over, why) => {
    await add(stream, over);
    const { code, message } = await refusalOf(apply(specOf(stream, push)));
    expect([code, message.includes(why)]).toEqual(["needs_new_consumer", true]);
  });

  test("is mended where somebody changed what can be changed", async () => {
    await apply(specOf("DRIFT", push));
    await system.nats.jsm.consumers.update("DRIFT", "g", { max_ack_pending: 9, ack_wait: 1e9 });
    expect((await apply(specOf("DRIFT", push))).changes).toContainEqual({
      what: "consumer g",
      change: "updated",
    });
    expect(await consumerOf("DRIFT")).toMatchObject({ max_ack_pending: 20, ack_wait: 30_000e6 });
  });
});

describe("a spec that cannot work", () => {
  test.each([
    ["bad_spec", { stream: "core" }, "mode pull needs a stream"],
    ["bad_spec", { ...push, stream: "core" }, "mode push needs a stream"],
    ["bad_spec", { ...queue, stream: "BAD" }, "write core instead of BAD"],
    ["bad_spec", { ...queue, stream: "core", ledger: "kv" as const }, "write none instead of kv"],
    ["bad_spec", { ...queue, stream: "core", breaker: { failure_share: 1 } }, "leave it out"],
    ["bad_spec", { ...batch, max_ack_pending: 5 }, "never full with max_ack_pending 5"],
    ["bad_spec", { ...queue, stream: "core", subjects: ["muster.member.core.>"] }, "belongs to Muster"],
    ["unknown_field", { retry: { max_attempt: 3 } }, "retry.max_attempt"],
    [
      "unknown_field",
      { delivery: { mode: "push" as const, deliver_subject: "x" } },
      "delivery.deliver_subject",
    ],
    ["unknown_field", { delivery: { ...batch.delivery, wait: 1 } }, "delivery.wait"],
    ["unknown_field", { ["__proto_"]: 1, ["constructor"]: 1 }, "constructor"],
    ["bad_request", { delivery: { mode: "batch" as const, size: 0, wait_ms: 1 } }, "size"],
    ["bad_request", { delivery: { mode: "carrier pigeon" } as never }, "delivery"],
  ])("is refused with %s: %j", async (code, over, text) => {
    const refused = await refusalOf(apply({ ...specOf("BAD"), ...over }));
    expect(refused).toEqual({ code, message: expect.stringContaining(text) });
  });

  test("names all its problems at once", async () => {
    const spec = specOf("BAD", { delivery: { mode: "queue" }, ledger: "postgres", subjects: ["a.>", "a.b"] });
    const { message } = await refusalOf(apply(spec));
    expect(message.split(";")).toHaveLength(3);
  });
});
