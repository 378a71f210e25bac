/** The breaker of a spec, and the rules that bind its fields to each other. */
import { describe, expect, it, test } from "vitest";
import { createVerdict, GroupSpec, protocolSchemas, specProblems } from "../src/index.ts";
import { vectors } from "./vectors.ts";

const spec = { v: 1, stream: "ORDERS", group: "billing", contracts: ["order.v1"], subjects: ["orders.>"] };
const judge = createVerdict("group-spec", protocolSchemas["group-spec"]);

describe("the breaker of a group spec", () => {
  it("is off where it is absent", () => {
    expect(GroupSpec.parse(spec)).not.toHaveProperty("breaker");
  });

  it("gets the defaults, and keeps what a newer control plane wrote", () => {
    expect(GroupSpec.parse({ ...spec, breaker: { failure_share: 0.5, per: "subject" } }).breaker).toEqual({
      failure_share: 0.5,
      min_attempts: 20,
      window_ms: 10_000,
      pause_ms: 5000,
      per: "subject",
    });
  });

  it.each([
    ["no share", {}],
    ["a share of nothing, which would never close", { failure_share: 0 }],
    ["a share above 1", { failure_share: 1.01 }],
    ["no attempt", { failure_share: 0.5, min_attempts: 0 }],
    ["half an attempt", { failure_share: 0.5, min_attempts: 1.5 }],
    ["no window", { failure_share: 0.5, window_ms: 0 }],
    ["a pause of more than an hour", { failure_share: 0.5, pause_ms: 3_600_001 }],
  ])("with %s is refused, by Zod and by the published schema", (_, breaker) => {
    expect(GroupSpec.safeParse({ ...spec, breaker }).success).toBe(false);
    expect(judge(Buffer.from(JSON.stringify({ ...spec, breaker }))).ok).toBe(false);
  });

  it("takes the edges of its ranges", () => {
    for (const breaker of [
      { failure_share: 1, min_attempts: 1, window_ms: 100, pause_ms: 100 },
      { failure_share: 0.001, min_attempts: 100_000, window_ms: 3_600_000, pause_ms: 3_600_000 },
    ])
      expect(judge(Buffer.from(JSON.stringify({ ...spec, breaker })))).toMatchObject({ ok: true });
  });
});

interface ProblemVector {
  spec: unknown;
  problems: string[];
}

test.each(vectors<ProblemVector>("spec-problems"))("spec-problems.json: $name", (v) => {
  expect(judge(Buffer.from(JSON.stringify(v.spec))), "it passes its schema").toMatchObject({ ok: true });
  expect(specProblems(GroupSpec.parse(v.spec))).toEqual(v.problems);
});
