// The fields of a procedure's input as a command takes them: in a row, each with its place in the input.
import type { Procedure, Schema } from "./procedures.ts";

/** A field that is an argument or a flag. */
export type Field = {
  /** Where its value goes in the input: `["to", "time"]`. */
  at: readonly string[];
  /** Its name as a word of the command line: `to-time`. */
  name: string;
  schema: Schema;
  /** Whether the procedure takes no input without it. */
  isRequired: boolean;
};

/** An object of which each field is a flag: `isRequired` where the procedure takes no input without it. */
export type Inner = { at: string; isRequired: boolean; alternatives: readonly string[][] };

/**
 * The fields by the procedure's schema. An object with simple fields only is taken apart; its fields are called by both
 * names, or by the inner one alone where `renamed` has an empty name for the outer. `renamed`: other names, by the
 * place; `false`: no flag.
 */
export function fieldsOf(
  { input = {} }: Pick<Procedure, "input">,
  renamed: Readonly<Record<string, string | false>> = {},
): { fields: Field[]; inner: Inner[] } {
  const fields: Field[] = [];
  const inner: Inner[] = [];
  for (const [key, schema] of Object.entries(propertiesOf(input))) {
    const called = renamed[key];
    // What an editor looks for in a file is nothing to be typed.
    if (called === false || key.startsWith("$")) continue;
    const isRequired = isRequiredIn(input, key);
    const parts = Object.entries(propertiesOf(schema));
    if (parts.length === 0 || !parts.every(([, part]) => isSimple(part))) {
      fields.push({ at: [key], name: called ?? kebab(key), schema, isRequired });
      continue;
    }
    const outer = called ?? kebab(key);
    for (const [part, partSchema] of parts) {
      const name = renamed[`${key}.${part}`] ?? [outer, kebab(part)].filter(Boolean).join("-");
      if (name !== false) fields.push({ at: [key, part], name, schema: partSchema, isRequired: false });
    }
    inner.push({
      at: key,
      isRequired,
      alternatives: (schema.anyOf ?? []).map(({ required = [] }) => [...required]),
    });
  }
  return { fields, inner };
}

/** A name as a word of the command line: `as_event_id` and `asEventId` are `as-event-id`. */
export function kebab(name: string): string {
  return name.replaceAll("_", "-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The fields of an object, of whatever alternative. */
function propertiesOf({ properties = {}, anyOf = [] }: Schema): Record<string, Schema> {
  return Object.assign({}, properties, ...anyOf.map(propertiesOf)) as Record<string, Schema>;
}

function isRequiredIn({ required = [], anyOf = [] }: Schema, name: string): boolean {
  return required.includes(name) || (anyOf.length > 0 && anyOf.every((one) => isRequiredIn(one, name)));
}

function isSimple({ type }: Schema): boolean {
  return type === "string" || type === "integer" || type === "number" || type === "boolean";
}
