// Schemas that have a name, each once in the document.
import { isDeepStrictEqual } from "node:util";
import type { JsonSchema } from "./schemas.ts";

const LOCAL = "#/$defs/";
const SHARED = "#/components/schemas/";

/** Collects the named parts of schemas. */
export class Components {
  readonly schemas: Record<string, JsonSchema> = {};

  /** The schema with its named parts moved here. Throws where two schemas have one name. */
  use({ $defs = {}, ...schema }: JsonSchema): JsonSchema {
    for (const [name, part] of Object.entries($defs)) {
      const moved = rename(part) as JsonSchema;
      // It is the key of its place; in the schema it would mean nothing.
      delete moved["id"];
      const there = this.schemas[name];
      if (there !== undefined && !isDeepStrictEqual(there, moved))
        throw new Error(
          `two schemas are called ${name}; what is taken and what is answered need names of their own`,
        );
      this.schemas[name] = moved;
    }
    return rename(schema) as JsonSchema;
  }
}

function rename(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rename);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]: [string, unknown]) =>
      key === "$ref" && typeof inner === "string" && inner.startsWith(LOCAL)
        ? [key, SHARED + inner.slice(LOCAL.length)]
        : [key, rename(inner)],
    ),
  );
}
