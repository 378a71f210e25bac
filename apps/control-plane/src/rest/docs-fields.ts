// A JSON Schema as rows for people: one for each field, however deep.
import type { JsonSchema } from "./schemas.ts";

/** A field: its name with the names it lies in, its type in words, what it means. */
export type Field = { name: string; type: string; link?: string; required: boolean; description: string };

/** The fields of an object; where it has a name of its own, the one row that leads there. */
export function fieldsFor(schema: JsonSchema, within = ""): Field[] {
  const { properties = {}, required = [], anyOf = [] } = schema;
  const ofAlternatives = anyOf.flatMap((one, i) =>
    fieldsFor(one, within).map((field) => ({
      ...field,
      description: `${field.description} (form ${i + 1})`.trim(),
    })),
  );
  const own = Object.entries(properties).flatMap(([key, field]) => {
    const name = `${within}${key}`;
    return [row(name, field, required.includes(key)), ...fieldsFor(field.items ?? field, `${name}.`)];
  });
  return [...own, ...ofAlternatives];
}

/** The type of a schema in words. */
export function typeOf(schema: JsonSchema): string {
  const { $ref, type, items, anyOf, const: only, enum: words, additionalProperties: values } = schema;
  if (typeof $ref === "string") return nameOf($ref);
  if (only !== undefined) return JSON.stringify(only);
  if (Array.isArray(words)) return words.map((word) => JSON.stringify(word)).join(" | ");
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeOf))].join(" | ");
  if (type === "array") return `list of ${typeOf(items ?? {})}`;
  if (type === "object" && schema.properties === undefined)
    return typeof values === "object" && values !== null
      ? `${typeOf(values as JsonSchema)} by name`
      : "object";
  return type ?? "anything";
}

/** The name at the end of a reference. */
export function nameOf(ref: string): string {
  return ref.split("/").at(-1) ?? ref;
}

function row(name: string, schema: JsonSchema, required: boolean): Field {
  const ref = schema["$ref"] ?? schema.items?.["$ref"];
  const standard = schema["default"];
  const notes = [
    schema["description"],
    standard === undefined ? undefined : `default ${JSON.stringify(standard)}`,
  ].filter((note) => typeof note === "string");
  return {
    name,
    type: typeOf(schema),
    ...(typeof ref === "string" ? { link: nameOf(ref) } : {}),
    required,
    description: notes.join("; "),
  };
}
