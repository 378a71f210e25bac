import { describe, expect, it, test } from "vitest";
import { contractSchemas, createVerdict, MusterError, parseBody } from "../src/index.ts";
import { bodyOf, contract, vectors } from "./vectors.ts";

const parse = (json: string) => parseBody(Buffer.from(json));

interface VerdictVector {
  contract: string;
  body_base64?: string;
  body_repeat?: [string, number][];
  valid: boolean;
  code?: string;
  error?: string;
}

const judges = new Map(
  ["order.v1", "any.v1", "paths.v1"].map((name) => [name, createVerdict(name, contract(name))]),
);

describe("verdicts.json", () => {
  test.each(vectors<VerdictVector>("verdicts"))("$name", (vector) => {
    const verdict = judges.get(vector.contract)?.(bodyOf(vector));
    if (vector.valid) expect(verdict).toMatchObject({ ok: true });
    else expect(verdict).toEqual({ ok: false, code: vector.code, error: vector.error });
  });
});

describe("parseBody", () => {
  it("gives the value, the last one of a key given twice", () => {
    expect(parse('{"a":1,"b":[null,"x"],"a":2}')).toEqual({ ok: true, value: { a: 2, b: [null, "x"] } });
  });

  it("makes __proto__ an ordinary key", () => {
    const body = parse('{"__proto__":{"admin":true}}');
    expect(JSON.stringify(body)).toBe('{"ok":true,"value":{"__proto__":{"admin":true}}}');
    expect({}).not.toHaveProperty("admin");
  });

  it("looks no deeper than it must: 100 MB of brackets take no time", () => {
    const bytes = Buffer.alloc(100_000_000, "[");
    const before = performance.now();
    expect(parseBody(bytes)).toMatchObject({ code: "depth" });
    expect(performance.now() - before).toBeLessThan(2000);
  });
});

describe("createVerdict", () => {
  it("judges by the published schema of order.v1", () => {
    const judge = createVerdict("order.v1", contractSchemas["order.v1"]);
    expect(judge(Buffer.from("{}"))).toEqual({
      ok: false,
      code: "schema",
      error: "does not match order.v1 at /",
    });
  });

  it.each([["a text"], [null], [{ type: "nonsense" }], [{ pattern: "(" }], [{ $ref: "#/$defs/none" }]])(
    "refuses %j as a schema with code bad_schema",
    (schema) => {
      expect(() => createVerdict("x.v1", schema)).toThrow(MusterError);
      expect(() => createVerdict("x.v1", schema)).toThrow(expect.objectContaining({ code: "bad_schema" }));
    },
  );

  it("reads keywords and formats it does not know as annotations", () => {
    const judge = createVerdict("x.v1", { type: "string", format: "moon-phase", "x-note": 1 });
    expect(judge(Buffer.from('"x"'))).toEqual({ ok: true, value: "x" });
  });

  it("gives its verdict on 900 KB that break the schema everywhere", () => {
    const judge = createVerdict("x.v1", { items: { type: "string" } });
    const body = Buffer.from(`[${"1,".repeat(450_000)}1]`);
    expect(judge(body)).toMatchObject({ error: "does not match x.v1 at /0" });
  });
});
