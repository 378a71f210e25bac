// What a contract's JSON Schema says about the shape of a value, for the types of Go and Python. Limits and patterns
// are left out: what is valid is decided by the schema itself.
import type { JsonSchema } from "../../src/schemas.ts";

/** The shape of a value; `any` where a schema says more than a type can (a union, a reference). */
export type Shape = { isNullable: boolean } & (
  | { kind: "string" | "number" | "integer" | "boolean" | "any" }
  | { kind: "enum"; type: string; values: readonly string[] }
  | { kind: "array"; items: Shape }
  | { kind: "map"; values: Shape }
  | { kind: "object"; type: string; fields: readonly Field[] }
);

export type Field = { name: string; shape: Shape; isOptional: boolean; about: string | undefined };

/** An object with the name of its type. */
export type ObjectShape = Extract<Shape, { kind: "object" }>;

/** A contract with the name of its type, `OrderV1` of `order.v1`. */
export type Contract = { name: string; about: string | undefined; shape: Shape; type: string };

export function contractOf(name: string, schema: JsonSchema): Contract {
  const type = typeName(name);
  return { name, type, about: textOf(schema["description"]), shape: shapeOf(schema, type) };
}

/** Objects and enums inside, each before what holds it. */
export function namedShapes(shape: Shape): Extract<Shape, { type: string }>[] {
  switch (shape.kind) {
    case "enum":
      return [shape];
    case "array":
      return namedShapes(shape.items);
    case "map":
      return namedShapes(shape.values);
    case "object":
      return [...shape.fields.flatMap((field) => namedShapes(field.shape)), shape];
    default:
      return [];
  }
}

/** Words with capitals, run together: `order.v1` → `OrderV1`. */
export function typeName(text: string): string {
  const name = wordsOf(text).map(capital).join("");
  if (!/^[A-Za-z]/.test(name))
    throw new Error(`${JSON.stringify(text)} makes no name of a type: begin it with a letter`);
  return name;
}

export function wordsOf(text: string): string[] {
  return text.split(/[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])/).filter((word) => word !== "");
}

export function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

function shapeOf(schema: JsonSchema, type: string): Shape {
  const nullable = nullableOf(schema);
  if (nullable !== undefined) return { ...shapeOf(nullable, type), isNullable: true };
  const isNullable = false;
  const values = "const" in schema ? [schema["const"]] : schema["enum"];
  if (Array.isArray(values)) {
    if (values.every((value) => typeof value === "string")) return { kind: "enum", type, values, isNullable };
    return { kind: kindOf(schema["type"]), isNullable };
  }
  if (schema["type"] === "array") {
    const { items } = schema;
    return { kind: "array", items: isSchema(items) ? shapeOf(items, `${type}Item`) : anything, isNullable };
  }
  if (schema["type"] !== "object") return { kind: kindOf(schema["type"]), isNullable };
  const { properties, additionalProperties } = schema;
  if (isSchema(properties) && Object.keys(properties).length > 0)
    return { kind: "object", type, fields: fieldsOf(schema, properties, type), isNullable };
  const others = isSchema(additionalProperties) ? shapeOf(additionalProperties, `${type}Value`) : anything;
  return { kind: "map", values: others, isNullable };
}

const anything: Shape = { kind: "any", isNullable: false };

function fieldsOf(schema: JsonSchema, properties: JsonSchema, type: string): Field[] {
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
  return Object.entries(properties).map(([name, property]) => ({
    name,
    shape: isSchema(property) ? shapeOf(property, type + typeName(name)) : anything,
    isOptional: !required.has(name),
    about: isSchema(property) ? textOf(property["description"]) : undefined,
  }));
}

/** The schema without `null`, where that is one of two types or choices. */
function nullableOf(schema: JsonSchema): JsonSchema | undefined {
  const types = schema["type"];
  if (Array.isArray(types) && types.length === 2 && types.includes("null"))
    return { ...schema, type: types.find((type) => type !== "null") };
  const choices = schema["anyOf"];
  if (!Array.isArray(choices) || choices.length !== 2) return undefined;
  const others = choices.filter((choice) => isSchema(choice) && choice["type"] !== "null") as JsonSchema[];
  return others.length === 1 ? others[0] : undefined;
}

function kindOf(type: unknown): "string" | "number" | "integer" | "boolean" | "any" {
  return type === "string" || type === "number" || type === "integer" || type === "boolean" ? type : "any";
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value.replaceAll(/\s+/g, " ").trim() : undefined;
}
