// What the document and the handler need to know of a procedure.
import type { z } from "zod";
import { appRouter, type ProcedurePath } from "../router.ts";
import type { Role } from "../access/roles.ts";
import { inputSchema, type JsonSchema } from "./schemas.ts";

/** A procedure as it was declared. */
export type Declared = {
  type: "query" | "mutation" | "subscription";
  role: Role | undefined;
  input: JsonSchema;
  output: z.ZodType | undefined;
};

type Definition = {
  _def: { type: Declared["type"]; meta?: { role?: Role }; inputs: z.ZodType[]; output?: z.ZodType };
};

const known = new Map<string, Declared>();

/** The procedure of that path, its input as JSON Schema. */
export function declaredOf(path: ProcedurePath): Declared {
  const found = known.get(path);
  if (found !== undefined) return found;
  // tRPC keeps the parsers, but has no type for that.
  const procedures = appRouter._def.procedures as unknown as Record<string, Definition>;
  const procedure = procedures[path];
  if (procedure === undefined) throw new Error(`there is no procedure ${path}`);
  const { type, meta, inputs, output } = procedure._def;
  const input = inputs[0] === undefined ? {} : inputSchema(inputs[0]);
  const declared = { type, role: meta?.role, input, output };
  known.set(path, declared);
  return declared;
}
