// A procedure's input, put together from path, query and body.
import { fail } from "../errors.ts";
import type { Operation } from "./operations.ts";
import { fieldsOf, type JsonSchema } from "./schemas.ts";

/** Whether an operation takes its input from a body. */
export function hasBody({ method }: Operation): boolean {
  return method === "POST" || method === "PUT";
}

/** The query as input. Text becomes a number or a boolean where the schema wants one and it is spelt like one. */
export function fromQuery(query: URLSearchParams, input: JsonSchema): Record<string, unknown> {
  const fields = fieldsOf(input);
  const given: [string, unknown][] = [];
  for (const name of new Set(query.keys())) {
    const values = query.getAll(name);
    const field = fields[name] ?? {};
    const isList = typesOf(field).has("array");
    if (!isList && values.length > 1) throw fail("bad_request", `${name} is given ${values.length} times`);
    const item = isList ? (field.items ?? {}) : field;
    const read = values.map((text) => fromText(text, item));
    given.push([name, isList ? read : read[0]]);
  }
  return Object.fromEntries(given);
}

/** Puts the path's parameters into the rest of the input. Throws `bad_request` where the two differ. */
export function withParams(
  rest: Record<string, unknown>,
  params: Record<string, string>,
  { inputAt }: Operation,
): Record<string, unknown> {
  if (inputAt !== undefined) {
    const inner = rest[inputAt] ?? {};
    // What is no object is for the procedure's schema to refuse.
    return isObject(inner) ? { ...rest, [inputAt]: join(inner, params) } : rest;
  }
  return join(rest, params);
}

function join(rest: Record<string, unknown>, params: Record<string, string>): Record<string, unknown> {
  for (const [name, value] of Object.entries(params))
    if (Object.hasOwn(rest, name) && rest[name] !== value)
      throw fail(
        "bad_request",
        `${name} is ${JSON.stringify(value)} in the path and something else in the request`,
      );
  return { ...rest, ...params };
}

function fromText(text: string, schema: JsonSchema): unknown {
  const types = typesOf(schema);
  if ((types.has("integer") || types.has("number")) && /^-?\d{1,16}(\.\d{1,16})?$/.test(text))
    return Number(text);
  if (types.has("boolean") && (text === "true" || text === "false")) return text === "true";
  return text;
}

function typesOf({ type, anyOf = [] }: JsonSchema): Set<string> {
  return new Set([...(type === undefined ? [] : [type]), ...anyOf.flatMap((one) => [...typesOf(one)])]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
