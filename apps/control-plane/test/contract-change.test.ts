import { buckets, contractSchemas } from "@muster/contracts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { breakingChanges } from "../src/groups/contract-change.ts";
import { getEntry, getText, putEntry } from "../src/nats/bucket.ts";
import { refusalOf, specOf, startSystem } from "./system.ts";

const object = (properties: object, more: object = {}) => ({ type: "object", properties, ...more });
const text = { type: "string" };

describe("what takes less than before", () => {
  test.each([
    ["a type that is gone", text, { type: "number" }, ["the message is no longer string"]],
    ["one of two types", { type: ["string", "null"] }, text, ["the message is no longer null"]],
    ["a type where any was taken", {}, text, ["the message has to be string now"]],
    [
      "a number that has to be whole",
      { type: "number" },
      { type: "integer" },
      ["the message is no longer number"],
    ],
    ["a value less", { enum: ["a", "b"] }, { enum: ["a"] }, ['the message may no longer be "b"']],
    [
      "values where all were taken",
      text,
      { ...text, enum: ["a"] },
      ["the message is limited to certain values now"],
    ],
    [
      "a field that is required",
      object({ a: text }),
      object({ a: text }, { required: ["a"] }),
      ["/a is required now"],
    ],
    [
      "a field that is gone and refused",
      object({ a: text }),
      object({}, { additionalProperties: false }),
      ["/a is refused now", "the message refuses unknown fields now"],
    ],
    ["a bound that is new", text, { ...text, maxLength: 3 }, ["the message has maxLength 3, not none"]],
    [
      "a bound that is tighter, deep",
      object({ a: { type: "array", items: { minimum: 1 } } }),
      object({ a: { type: "array", items: { minimum: 2 } } }),
      ["/a/items has minimum 2, not 1"],
    ],
    [
      "what cannot be judged",
      { pattern: "^a" },
      { pattern: "^b" },
      ["the message has another pattern, which cannot be judged"],
    ],
    [
      "a reference into what is gone",
      { $ref: "#/$defs/a", $defs: { a: text } },
      { $ref: "#/$defs/a" },
      ["the message has another $defs, which cannot be judged"],
    ],
    ["nothing at all any more", text, false, ["the message is another schema"]],
    [
      "a type where a field was anything",
      object({ a: true }),
      object({ a: text }),
      ["/a has to be string now"],
    ],
  ])("%s", (_, before, after, found) => {
    expect(breakingChanges(before, after)).toEqual(found);
  });

  test.each([
    ["the same", object({ a: text }), object({ a: text })],
    ["a field that gets a name", object({}), object({ a: text })],
    ["words about it", text, { ...text, description: "of a customer", format: "email" }],
    ["a whole number that may be any", { type: "integer" }, { type: "number" }],
    ["a value more", { enum: ["a"] }, { enum: ["a", "b"] }],
    ["a constant among several", { const: "a" }, { enum: ["a", "b"] }],
    ["a field that may be left out", object({ a: text }, { required: ["a"] }), object({ a: text })],
    [
      "a new field where unknown ones were refused",
      object({}, { additionalProperties: false }),
      object({ a: text }, { additionalProperties: false }),
    ],
    ["a bound that is wider, or gone", { minimum: 2, maxLength: 5 }, { minimum: 1 }],
    ["a pattern that is gone", { ...text, pattern: "^a" }, text],
    ["anything", object({ a: text }), true],
  ])("takes as much: %s", (_, before, after) => {
    expect(breakingChanges(before, after)).toEqual([]);
  });
});

describe("what one keyword takes depends on another", () => {
  const far = [expect.stringContaining("keywords elsewhere depend on the change")];
  const another = (keyword: string) => [`the message has another ${keyword}, which cannot be judged`];
  const defs = { $defs: { a: text } };
  test.each<[string, object, object, string[]]>([
    [
      "patterns of fields that are gone, others refused as before",
      object({}, { patternProperties: { "^x-": {} }, additionalProperties: false }),
      object({}, { additionalProperties: false }),
      another("patternProperties"),
    ],
    [
      "first items that fall to all others' schema",
      { prefixItems: [text], items: { type: "number" } },
      { items: { type: "number" } },
      another("prefixItems"),
    ],
    [
      "a least count of 0 that is gone",
      { contains: text, minContains: 0 },
      { contains: text },
      another("minContains"),
    ],
    [
      "a field that nothing evaluates any more",
      object({ a: text }, { unevaluatedProperties: false }),
      object({}, { unevaluatedProperties: false }),
      far,
    ],
    [
      "a part that evaluated",
      { allOf: [object({ a: true })], unevaluatedProperties: false },
      { unevaluatedProperties: false },
      far,
    ],
    [
      "items that nothing evaluates any more",
      { items: text, unevaluatedItems: false },
      { unevaluatedItems: false },
      far,
    ],
    [
      "a field that takes more, and what must not be like it",
      object({ a: { ...text, minLength: 5 }, b: { not: { $ref: "#/properties/a" } } }),
      object({ a: text, b: { not: { $ref: "#/properties/a" } } }),
      far,
    ],
    [
      "a document under another name, with references",
      { $id: "http://a/1", $ref: "#/$defs/a", ...defs },
      { $id: "http://a/2", $ref: "#/$defs/a", ...defs },
      another("$id"),
    ],
    [
      "another dialect",
      { items: text },
      { items: text, $schema: "http://json-schema.org/draft-07/schema#" },
      another("$schema"),
    ],
    [
      "a dialect that is gone",
      { $schema: "http://json-schema.org/draft-07/schema#" },
      {},
      another("$schema"),
    ],
    [
      "a constant beside the same values",
      { enum: ["a", "b"] },
      { enum: ["a", "b"], const: "a" },
      ['the message may no longer be "b"'],
    ],
    [
      "values beside the same constant",
      { const: "a" },
      { const: "a", enum: ["b"] },
      ['the message may no longer be "a"'],
    ],
    [
      "a field called like an annotation, beside what reaches far",
      object({ title: text }, { unevaluatedProperties: false }),
      object({ title: { type: "number" } }, { unevaluatedProperties: false }),
      far,
    ],
    [
      "a field called like an annotation, where it is not judged",
      { not: object({ title: text }) },
      { not: object({ title: {} }) },
      another("not"),
    ],
    [
      "a value that holds one",
      { const: { title: 1 } },
      { const: { title: 2 } },
      ['the message may no longer be {"title":1}'],
    ],
  ])("%s", (_, before, after, found) => {
    expect(breakingChanges(before, after)).toEqual(found);
  });

  test.each([
    [
      "words about it, beside what reaches far",
      object({ a: text }, { unevaluatedProperties: false }),
      object({ a: { ...text, title: "A" } }, { unevaluatedProperties: false, description: "of it" }),
    ],
    ["another name, without references", { ...text, $id: "http://a/1" }, { ...text, $id: "http://a/2" }],
    ["the dialect by its name", text, { ...text, $schema: "https://json-schema.org/draft/2020-12/schema" }],
    ["words where it is not judged", { not: text }, { not: { ...text, title: "A" } }],
    ["fewer values beside a constant among them", { const: "a" }, { const: "a", enum: ["a"] }],
    ["what counted the most", { contains: text, maxContains: 2 }, { contains: text }],
    [
      "a field more, beside a reference into $defs",
      { ...object({ a: { $ref: "#/$defs/a" } }), ...defs },
      { ...object({ a: { $ref: "#/$defs/a" }, b: text }), ...defs },
    ],
  ])("takes as much: %s", (_, before, after) => {
    expect(breakingChanges(before, after)).toEqual([]);
  });
});

describe("an apply", () => {
  let system: Awaited<ReturnType<typeof startSystem>>;
  beforeAll(async () => {
    system = await startSystem();
    await system.client.groups.apply.mutate({ spec: specOf() });
  });
  afterAll(async () => {
    await system[Symbol.asyncDispose]();
  });

  const store = async (schema: unknown) => {
    const { nats } = system;
    const revision = (await getEntry(nats, buckets.contracts, "order.v1"))?.revision ?? 0;
    expect(await putEntry(nats, buckets.contracts, "order.v1", JSON.stringify(schema), revision)).not.toBe(
      "conflict",
    );
  };
  test("refuses to make a contract take less under its own name, and changes nothing", async () => {
    const { client, nats } = system;
    const ours = contractSchemas["order.v1"] as { required?: string[] };
    const wider = { ...ours, required: [] };
    await store(wider);
    for (const procedure of [client.groups.plan, client.groups.apply]) {
      const refusal = await refusalOf(
        procedure.mutate({ spec: specOf({ stream: "LATE", group: "late", subjects: ["late.>"] }) }),
      );
      expect(refusal).toMatchObject({ code: "breaking_contract" });
      expect(refusal.message).toContain("/id is required now");
    }
    expect(JSON.parse((await getText(nats, buckets.contracts, "order.v1")) ?? "")).toEqual(wider);
    expect((await client.groups.list.query()).map(({ group }) => group)).not.toContain("late");
  });

  test("lets it take more", async () => {
    const { client, nats } = system;
    await store({ ...contractSchemas["order.v1"], maxProperties: 5 });
    const { changes } = await client.groups.apply.mutate({ spec: specOf() });
    expect(changes).toContainEqual({ what: "contract order.v1", change: "updated" });
    expect(JSON.parse((await getText(nats, buckets.contracts, "order.v1")) ?? "")).toEqual(
      contractSchemas["order.v1"],
    );
  });

  test("puts a schema where there is none that could be read", async () => {
    const { client, nats } = system;
    const revision = (await getEntry(nats, buckets.contracts, "order.v1"))?.revision ?? 0;
    expect(await putEntry(nats, buckets.contracts, "order.v1", "{", revision)).not.toBe("conflict");
    const { changes } = await client.groups.apply.mutate({ spec: specOf() });
    expect(changes).toContainEqual({ what: "contract order.v1", change: "updated" });
  });
});
