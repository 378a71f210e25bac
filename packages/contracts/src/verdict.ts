import { Ajv2020, type AnySchemaObject, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import { type BodyCode, parseBody } from "./body.ts";
import { MusterError } from "./errors.ts";

/** What is wrong with a body. */
export type VerdictCode = BodyCode | "schema";

/** A valid body's value, or the first rule that it breaks. */
export type Verdict = { ok: true; value: unknown } | { ok: false; code: VerdictCode; error: string };

/**
 * The one verdict on a message: the JSON rules, then the contract's JSON Schema (2020-12; formats
 * are annotations). Throws `bad_schema` where the schema is none.
 */
export function createVerdict(contractName: string, jsonSchema: unknown): (bytes: Uint8Array) => Verdict {
  const validate = compile(contractName, jsonSchema, false);
  let explain: ValidateFunction | undefined;
  return (bytes) => {
    const body = parseBody(bytes);
    if (!body.ok || validate(body.value)) return body;
    // All errors are collected only for what is broken, so that the good ones stay fast.
    explain ??= compile(contractName, jsonSchema, true);
    explain(body.value);
    const pointer = smallestPointer(explain.errors ?? []);
    return { ok: false, code: "schema", error: `does not match ${contractName} at ${pointer}` };
  };
}

function compile(contractName: string, schema: unknown, allErrors: boolean): ValidateFunction {
  try {
    const ajv = new Ajv2020({ allErrors, strict: false, validateFormats: false, logger: false });
    if (!isSchema(schema)) throw new TypeError(`a schema is no ${typeof schema}`);
    return ajv.compile(schema);
  } catch (cause) {
    throw new MusterError("bad_schema", `contract ${contractName} is no JSON Schema 2020-12`, {
      cause,
    });
  }
}

function isSchema(schema: unknown): schema is AnySchemaObject | boolean {
  return typeof schema === "boolean" || (typeof schema === "object" && schema !== null);
}

// Of the leaf errors: ajv also reports the keyword that holds the branches, at the parent's place.
function smallestPointer(errors: ErrorObject[]): string {
  const leaves = errors.filter((e) => !isParent(e));
  const pointers = (leaves.length > 0 ? leaves : errors).map((e) => e.instancePath);
  return pointers.reduce((a, b) => (compareCodePoints(a, b) <= 0 ? a : b), pointers[0] ?? "") || "/";
}

function isParent(error: ErrorObject): boolean {
  if (error.keyword === "oneOf") return error.params["passingSchemas"] === null;
  return error.keyword === "anyOf" || error.keyword === "if";
}

// UTF-16 units order astral characters before U+E000; the other languages go by code point.
function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
