// The Zod schemas of procedures as JSON Schema.
import { z } from "zod";

/** As much of JSON Schema as is looked into here. */
export type JsonSchema = {
  [keyword: string]: unknown;
  type?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  $defs?: Record<string, JsonSchema>;
};

/** What a procedure takes. Objects are closed: a field that is not known is refused. */
export function inputSchema(schema: z.ZodType): JsonSchema {
  return shapeOf(schema, "input");
}

/** What a procedure answers with. */
export function outputSchema(schema: z.ZodType): JsonSchema {
  return shapeOf(schema, "output");
}

/** The fields of an input, of whatever alternative. */
export function fieldsOf(input: JsonSchema): Record<string, JsonSchema> {
  return Object.assign({}, input.properties, ...(input.anyOf ?? []).map(fieldsOf)) as Record<
    string,
    JsonSchema
  >;
}

function shapeOf(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const { $schema: _, ...shape } = z.toJSONSchema(schema, {
    io,
    target: "draft-2020-12",
    override: ({ jsonSchema }) => {
      if (io === "input" && jsonSchema.type === "object" && jsonSchema.properties !== undefined)
        jsonSchema.additionalProperties = false;
      // Which alternative is meant can be told by one field; to its readers here they are alternatives.
      if (jsonSchema.oneOf !== undefined) {
        jsonSchema.anyOf = jsonSchema.oneOf;
        delete jsonSchema.oneOf;
      }
      // The bounds of every integer in JavaScript say nothing.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return shape as JsonSchema;
}
