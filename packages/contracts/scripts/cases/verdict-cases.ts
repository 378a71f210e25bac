/** How a verdict vector is written: a body, and what is wrong with it. */

/** One case of verdicts.json. */
export type VerdictCase = { name: string } & Record<string, unknown>;

/** Bytes as text (UTF-8), as hex bytes, or as texts with how often each is repeated. */
export type Body = string | { hex: string } | [string, number][];

const errors = {
  empty: "empty payload",
  bom: "byte order mark",
  utf8: "not UTF-8",
  depth: "nested deeper than 64",
  json: "not JSON",
  number: "number beyond a double",
  surrogate: "lone surrogate",
};

/** Valid for the contract. */
export function valid(name: string, body: Body, contract = "any.v1"): VerdictCase {
  return { name, contract, ...encode(body), valid: true };
}

/** Broken by a rule that stands before the schema. */
export function broken(
  code: keyof typeof errors,
  name: string,
  body: Body,
  contract = "any.v1",
): VerdictCase {
  return { name, contract, ...encode(body), valid: false, code, error: errors[code] };
}

/** JSON, but not what the contract says at `pointer`. */
export function mismatch(pointer: string, name: string, body: Body, contract = "order.v1"): VerdictCase {
  const error = `does not match ${contract} at ${pointer}`;
  return { name, contract, ...encode(body), valid: false, code: "schema", error };
}

const fields = {
  id: '"o-1"',
  customer: '"Ada"',
  amount: "12.5",
  status: '"pending"',
  created_at: '"2026-01-02T03:04:05Z"',
};

/** A valid order as JSON text; `change` holds raw JSON by field, `null` leaves a field out. */
export function order(change: Record<string, string | null> = {}): string {
  const all: Record<string, string | null> = { ...fields, ...change };
  const pairs = Object.entries(all).filter(([, json]) => json !== null);
  return `{${pairs.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(",")}}`;
}

function encode(body: Body): Record<string, unknown> {
  if (Array.isArray(body)) return { body_repeat: body };
  const bytes = typeof body === "string" ? Buffer.from(body) : fromHex(body.hex);
  return { body_base64: bytes.toString("base64") };
}

// Hex pairs, and quoted text between them: `22 'abc' ff 22`.
function fromHex(hex: string): Buffer {
  const parts = hex.match(/'[^']*'|[0-9a-f]{2}/g) ?? [];
  return Buffer.concat(
    parts.map((p) => (p[0] === "'" ? Buffer.from(p.slice(1, -1)) : Buffer.from(p, "hex"))),
  );
}

/** The cases under one heading, so that names stay different. */
export function titled(heading: string, cases: readonly VerdictCase[]): VerdictCase[] {
  return cases.map((c) => ({ ...c, name: `${heading}: ${c.name}` }));
}
