/** The documents of the protocol: what their schemas take, and that the committed files are current. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { firstDifference } from "../scripts/difference.ts";
import {
  AttemptsRecord,
  contractSchemas,
  createVerdict,
  DeadLetterHeaders,
  GroupSpec,
  LedgerRow,
  MemberRecord,
  OrderV1,
  protocolSchemas,
} from "../src/index.ts";
import { contract, vectors } from "./vectors.ts";

const folder = new URL("../schemas/", import.meta.url);

const spec = { v: 1, stream: "ORDERS", group: "billing", contracts: ["order.v1"], subjects: ["orders.>"] };

describe("the committed schemas and vectors", () => {
  it("are what their sources make", () => {
    const script = new URL("../scripts/generate.ts", import.meta.url).pathname;
    expect(execFileSync(process.execPath, [script, "--check"], { encoding: "utf8" })).toMatch(/up to date/);
  });

  it("differ readably", () => {
    expect(firstDifference("a\nb\nc\n", "a\nx\nc\n")).toBe(
      "differs from line 2 on:\n  committed: b\n  committed: c\n  committed: \n  generated: x\n  generated: c\n  generated: ",
    );
    expect(firstDifference("a\n", "a\n")).toBeUndefined();
  });

  test.each(readdirSync(folder))("%s says that it is generated, and looks around in no pattern", (file) => {
    const schema = contract(file.replace(/\.json$/, ""));
    expect(schema).toMatchObject({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $comment: expect.stringMatching(/^Generated/),
    });
    expect(JSON.stringify(schema)).not.toMatch(/\(\?[=!<]/);
    expect(schema).toEqual({ ...contractSchemas, ...protocolSchemas }[file.replace(/\.json$/, "")]);
  });
});

describe("a group spec", () => {
  it("gets the defaults", () => {
    expect(GroupSpec.parse(spec)).toEqual({
      ...spec,
      delivery: { mode: "pull" },
      ledger: "kv",
      ack_wait_ms: 30_000,
      max_ack_pending: 200_000,
      concurrency: 10,
      timeout_ms: 60_000,
      retry: {
        max_attempts: 5,
        backoff_ms: [1000, 5000, 30_000, 120_000],
        jitter: 0.2,
        max_snooze_ms: 3_600_000,
      },
      min_members: 1,
      paused: false,
    });
  });

  it("keeps what a newer control plane wrote", () => {
    const newer = { ...spec, ordering: "by_key", retry: { max_attempts: 3, budget: 1 } };
    expect(GroupSpec.parse(newer)).toMatchObject({ ordering: "by_key", retry: { budget: 1, jitter: 0.2 } });
  });

  it.each([
    [{ mode: "pull" }],
    [{ mode: "batch", size: 100, wait_ms: 500 }],
    [{ mode: "push" }],
    [{ mode: "queue" }],
  ])("takes the delivery %j", (delivery) => {
    expect(GroupSpec.parse({ ...spec, delivery }).delivery).toEqual(delivery);
  });

  it.each([
    ["another version", { v: 2 }],
    ["no version", { v: undefined }],
    ["a stream that is no name", { stream: "a.b" }],
    ["no contracts", { contracts: [] }],
    ["no subjects", { subjects: [] }],
    ["a subject for everything", { subjects: [">"] }],
    ["a star inside a token", { subjects: ["orders.c*"] }],
    ["a subject with a line end", { subjects: ["orders.a\n"] }],
    ["no steps to back off", { retry: { backoff_ms: [] } }],
    ["a delay longer than a day", { retry: { backoff_ms: [86_400_001] } }],
    ["no attempt", { retry: { max_attempts: 0 } }],
    ["a jitter above 1", { retry: { jitter: 1.1 } }],
    ["half a millisecond", { ack_wait_ms: 1000.5 }],
    ["a batch without its size", { delivery: { mode: "batch", wait_ms: 5 } }],
    ["a mode that is none", { delivery: { mode: "pull-ish" } }],
  ])("with %s is refused, by Zod and by the published schema", (_, change) => {
    const judge = createVerdict("group-spec", protocolSchemas["group-spec"]);
    const wrong = { ...spec, ...change };
    expect(GroupSpec.safeParse(wrong).success).toBe(false);
    expect(judge(Buffer.from(JSON.stringify(wrong))).ok).toBe(false);
  });
});

describe("the other documents", () => {
  const member = {
    v: 1,
    id: "host-1",
    instance: "550e8400-e29b-41d4-a716-446655440000",
    language: "go",
    core_version: "0.1.0",
    app_version: "1.2.3",
    host: "host",
    pid: 1,
    started_at: "2026-01-02T03:04:05.000Z",
    state: "running",
    delivery: "pull",
    concurrency: 10,
    in_flight: 0,
    counts: { done: 0, retry: 0, snoozed: 0, returned: 0, dead: 0 },
    spec_revision: 1,
    contracts: ["order.v1"],
  };

  it("a member record may leave out what is not known yet, and may say more", () => {
    expect(MemberRecord.parse({ ...member, gpu: true })).toMatchObject({
      gpu: true,
      restart_needed: [],
      counts: { dead: 0, repeat: 0, stale: 0 },
    });
    const { instance: _, ...nameless } = member;
    expect(MemberRecord.safeParse(nameless).success).toBe(false);
  });

  it("the records, rows and dead letters of the vectors pass their schemas", () => {
    for (const { result } of vectors<{ result: unknown }>("attempt-writes")) AttemptsRecord.parse(result);
    for (const { expected } of vectors<{ expected: unknown }>("row-writes")) LedgerRow.parse(expected);
    for (const { result } of vectors<{ result: unknown }>("headers")) DeadLetterHeaders.parse(result);
    for (const { order } of vectors<{ order: unknown }>("orders")) OrderV1.parse(order);
  });
});
