import { z } from "zod";
import { AttemptsRecord } from "./attempts-record.ts";
import { DeadLetterHeaders } from "./dead-letter.ts";
import { GroupSpec } from "./group-spec.ts";
import { LedgerRow } from "./ledger-row.ts";
import { MemberRecord } from "./member-record.ts";
import { OrderV1 } from "./order.ts";

/** A JSON Schema document. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** The contracts that groups may accept, by name. */
export const contractSchemas: Readonly<Record<string, JsonSchema>> = published([OrderV1]);

/** The documents of the protocol itself, by name. */
export const protocolSchemas: Readonly<Record<string, JsonSchema>> = published([
  GroupSpec,
  MemberRecord,
  AttemptsRecord,
  LedgerRow,
  DeadLetterHeaders,
]);

/** The name under which a schema is published: its title. */
export function schemaName(schema: z.ZodType): string {
  const title = schema.meta()?.title;
  if (title === undefined) throw new TypeError("the schema has no title");
  return title;
}

/** The JSON Schema of a Zod schema as all languages read it. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input", target: "draft-2020-12" });
  return {
    $schema,
    $comment: "Generated from packages/contracts/src by `./muster generate`. Do not edit.",
    ...rest,
  };
}

function published(schemas: readonly z.ZodType[]): Record<string, JsonSchema> {
  return Object.fromEntries(schemas.map((schema) => [schemaName(schema), jsonSchemaOf(schema)]));
}
