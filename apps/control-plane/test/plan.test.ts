import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GroupSpec } from "@muster/contracts";
import { doneWords } from "../src/groups/plan-change.ts";
import { planGroup } from "../src/groups/plan.ts";
import { Snapshot } from "../src/groups/snapshot.ts";
import type { SpecInput } from "../src/groups/spec-input.ts";
import { putEntry } from "../src/nats/bucket.ts";
import { refusalOf, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

type Input = Parameters<(typeof system)["client"]["groups"]["plan"]["mutate"]>[0];
const specOf = (stream: string, over: Partial<SpecInput> = {}): SpecInput => ({
  stream,
  group: "g",
  subjects: [`${stream.toLowerCase()}.>`],
  contracts: ["order.v1"],
  ...over,
});
const plan = (spec: SpecInput, stream: Input["stream"] = {}) =>
  system.client.groups.plan.mutate({ spec, stream });
const apply = (spec: SpecInput, stream: Input["stream"] = {}) =>
  system.client.groups.apply.mutate({ spec, stream });
const streams = async () => {
  const names: string[] = [];
  for await (const { config } of system.nats.jsm.streams.list()) names.push(config.name);
  return names.sort();
};
const of = (what: string, { changes }: Awaited<ReturnType<typeof plan>>) =>
  changes.find((change) => change.what === what);

describe("groups.plan", () => {
  test("on an empty server shows everything that apply would make, and makes nothing", async () => {
    const planned = await plan(specOf("FIRST"), { max_age_ms: 3_600_000 });
    expect(planned).toMatchObject({ stream: "FIRST", group: "g", revision: 0, restart_needed: [] });
    expect(new Set(planned.changes.map(({ change }) => change))).toEqual(new Set(["create"]));
    expect(of("stream FIRST", planned)?.differences).toContainEqual({
      field: "max_age_ms",
      wanted: 3_600_000,
    });
    expect(of("consumer g", planned)?.differences).toContainEqual({ field: "ack_wait_ms", wanted: 30_000 });
    expect(await streams()).toEqual([]);
  });

  const limits = { retention: "limits" } as const;
  test.each<[string, [SpecInput, Input["stream"]?], [SpecInput, Input["stream"]?]]>([
    ["nothing", [specOf("A")], [specOf("A")]],
    ["a new group", [specOf("A")], [specOf("B")]],
    ["settings of the consumer", [specOf("C")], [specOf("C", { ack_wait_ms: 5000, max_ack_pending: 7 })]],
    ["subjects", [specOf("D")], [specOf("D", { subjects: ["d.>", "dd.x"] })]],
    ["the stream's age", [specOf("E"), limits], [specOf("E"), { max_age_ms: 3_600_000 }]],
    ["only the spec", [specOf("F")], [specOf("F", { paused: true, retry: { max_attempts: 2 } })]],
    ["a further group of the stream", [specOf("G"), limits], [specOf("G", { group: "h" })]],
    [
      "a queue group",
      [specOf("core", { delivery: { mode: "queue" }, ledger: "none" })],
      [specOf("core", { delivery: { mode: "queue" }, ledger: "none", concurrency: 3 })],
    ],
  ])("says what apply then does: %s", async (_name, [before, options], [after, changed]) => {
    await apply(before, options);
    const { changes } = await plan(after, changed);
    const applied = await apply(after, changed);
    expect(changes.map(({ what, change }) => ({ what, change: doneWords[change] }))).toEqual(applied.changes);
    const next = (await plan(after, changed)).changes;
    expect(next.filter(({ differences }) => differences.length > 0)).toEqual([]);
    expect(new Set(next.map(({ change }) => change))).toEqual(new Set(["unchanged"]));
  });

  test("names each field with what it is and what it would be", async () => {
    await apply(specOf("WORDS", { concurrency: 4 }));
    const planned = await plan(
      specOf("WORDS", {
        ack_wait_ms: 1000,
        retry: { max_attempts: 2 },
        subjects: ["words.a"],
        min_members: 2,
      }),
    );
    expect(of("consumer g", planned)).toEqual({
      what: "consumer g",
      change: "update",
      differences: [
        { field: "ack_wait_ms", is: 30_000, wanted: 1000 },
        {
          field: "filter_subjects",
          is: ["words.>", "muster.replay.WORDS.g.>"],
          wanted: ["words.a", "muster.replay.WORDS.g.>"],
        },
      ],
    });
    expect(of("spec WORDS.g", planned)?.differences).toEqual([
      { field: "ack_wait_ms", is: 30_000, wanted: 1000 },
      { field: "concurrency", is: 4, wanted: 10 },
      { field: "min_members", is: 1, wanted: 2 },
      { field: "retry.max_attempts", is: 5, wanted: 2 },
      { field: "subjects", is: ["words.>"], wanted: ["words.a"] },
    ]);
    // The stream keeps subjects that another group may need.
    expect(of("stream WORDS", planned)?.change).toBe("unchanged");
  });

  test("says what running members take up only when they are restarted", async () => {
    await apply(specOf("LIVE"));
    const batch = { mode: "batch", size: 5, wait_ms: 10 } as const;
    expect(await plan(specOf("LIVE", { delivery: batch, ledger: "none" }))).toMatchObject({
      restart_needed: ["delivery", "ledger"],
    });
    expect((await plan(specOf("LIVE", { concurrency: 2 }))).restart_needed).toEqual([]);
  });

  test("of one group leaves what others are held against as it is on the server", async () => {
    const { nats } = system;
    const one = (group: string, subject: string) =>
      GroupSpec.parse({ v: 1, ...specOf("SIGHT", { group, subjects: [subject] }) });
    await apply(one("a", "sight.a.>"));
    await apply(one("b", "sight.b.>"));
    const snapshot = new Snapshot(nats, true);
    const look = (group: string, subject: string) =>
      planGroup(nats, one(group, subject), {}, false, snapshot);
    // Planned away from its subject, and still its consumer's: nothing was applied.
    await look("a", "sight.c.>");
    await expect(look("b", "sight.a.x")).rejects.toMatchObject({ code: "overlapping_filters" });
    // What was refused is forgotten too, and a group that is not there.
    await look("new", "sight.d.>");
    await look("b", "sight.d.x");
    await expect(look("a", "sight.b.x")).rejects.toMatchObject({ code: "overlapping_filters" });
  });

  test("shows what others have changed: consumer, bucket, contract, dead-letter stream", async () => {
    const { nats } = system;
    await apply(specOf("DRIFT"));
    await nats.jsm.consumers.update("DRIFT", "g", { max_deliver: 3 });
    await nats.jsm.streams.update("KV_MUSTER_LEDGER", { allow_rollup_hdrs: true });
    await nats.jsm.streams.update("DRIFT_DLQ", { subjects: ["muster.dlq.DRIFT.>"] });
    const { state } = await nats.jsm.streams.info("KV_MUSTER_CONTRACTS");
    await putEntry(nats, "MUSTER_CONTRACTS", "order.v1", "{", state.last_seq);
    const changed = (await plan(specOf("DRIFT"))).changes.filter(({ change }) => change !== "unchanged");
    expect(changed).toEqual([
      {
        what: "bucket MUSTER_LEDGER",
        change: "update",
        differences: [{ field: "allow_rollup_hdrs", is: true, wanted: false }],
      },
      {
        what: "stream DRIFT_DLQ",
        change: "update",
        differences: [
          {
            field: "subjects",
            is: ["muster.dlq.DRIFT.>"],
            wanted: ["muster.archive.DRIFT.>", "muster.dlq.DRIFT.>"],
          },
        ],
      },
      {
        what: "consumer g",
        change: "update",
        differences: [{ field: "max_deliver", is: 3, wanted: -1 }],
      },
      { what: "contract order.v1", change: "update", differences: [{ field: "schema" }] },
    ]);
    await apply(specOf("DRIFT"));
    expect(new Set((await plan(specOf("DRIFT"))).changes.map(({ change }) => change))).toEqual(
      new Set(["unchanged"]),
    );
  });

  test("adopts what others made where it fits", async () => {
    await system.nats.jsm.streams.add({ name: "THEIRS", subjects: ["theirs.>", "muster.replay.THEIRS.>"] });
    expect(of("stream THEIRS", await plan(specOf("THEIRS")))).toEqual({
      what: "stream THEIRS",
      change: "adopt",
      differences: [],
    });
  });

  test.each([
    ["overlapping_filters", specOf("A", { group: "second" })],
    ["needs_new_consumer", specOf("A", { delivery: { mode: "push" } })],
    ["foreign", specOf("A_DLQ", { subjects: ["x.>"] })],
    ["bad_spec", specOf("A", { subjects: ["muster.>"] })],
    ["unknown_field", specOf("A", { ["consumers"]: 1 })],
    ["bad_request", specOf("A", { subjects: Array.from({ length: 101 }, (_, i) => `s${i}`) })],
  ])("refuses what apply refuses: %s", async (code, spec) => {
    const before = await streams();
    const refused = await refusalOf(plan(spec));
    expect(refused.code).toBe(code);
    expect(refused).toEqual(await refusalOf(apply(spec)));
    expect(await streams()).toEqual(before);
  });

  test("takes a spec that is larger than a URL", async () => {
    const subjects = Array.from({ length: 100 }, (_, i) => `large.${"x".repeat(300)}${i}`);
    expect((await plan(specOf("LARGE", { subjects }))).changes.length).toBeGreaterThan(0);
  });
});
