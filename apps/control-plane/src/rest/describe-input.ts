// A procedure's input as parameters and body of its operation.
import type { Components } from "./components.ts";
import { hasBody } from "./input.ts";
import type { Operation } from "./operations.ts";
import { declaredOf } from "./procedures.ts";
import { parametersOf } from "./route.ts";
import { fieldsOf, type JsonSchema } from "./schemas.ts";

/** A parameter of an operation. */
export type Parameter = {
  name: string;
  in: "path" | "query";
  required?: boolean;
  description?: string;
  schema: JsonSchema;
};

/** A body by its media type. */
export type Content = Record<string, { schema: JsonSchema }>;

/** What an operation takes. Throws where a path names no field of the input, or a query cannot hold one. */
export function describeInput(
  operation: Operation,
  components: Components,
): { parameters?: Parameter[]; requestBody?: { required: boolean; content: Content } } {
  const input = components.use(declaredOf(operation.procedure).input);
  const { inputAt } = operation;
  const named = new Set(parametersOf(operation));
  const fields = fieldsOf(inputAt === undefined ? input : (fieldsOf(input)[inputAt] ?? {}));
  const inPath = [...named].map((name): Parameter => {
    const schema = fields[name];
    if (schema === undefined)
      throw new Error(`${operation.path}: ${operation.procedure} has no field ${name}`);
    return { name, in: "path", required: true, ...split(schema) };
  });
  if (hasBody(operation)) return { ...listed(inPath), ...bodyOf(without(input, named, inputAt)) };
  const rest = without(input, named);
  const inQuery = Object.entries(fieldsOf(rest)).map(([name, schema]): Parameter => {
    if (schema.type === "object" || Object.keys(fieldsOf(schema.items ?? schema)).length > 0)
      throw new Error(`${operation.path}: a query cannot hold ${name}, which is an object`);
    return { name, in: "query", ...(isRequired(rest, name) ? { required: true } : {}), ...split(schema) };
  });
  return listed([...inPath, ...inQuery]);
}

function listed(parameters: Parameter[]): { parameters?: Parameter[] } {
  return parameters.length === 0 ? {} : { parameters };
}

function bodyOf(schema: JsonSchema): { requestBody?: { required: boolean; content: Content } } {
  if (Object.keys(fieldsOf(schema)).length === 0) return {};
  const required = [schema, ...(schema.anyOf ?? [])].some((one) => (one.required ?? []).length > 0);
  return { requestBody: { required, content: { "application/json": { schema } } } };
}

/** The input without what the path says. Alternatives that lack one of its fields are not meant. */
function without(input: JsonSchema, names: ReadonlySet<string>, inputAt?: string): JsonSchema {
  if (inputAt !== undefined) {
    // A document that is kept as a file says it all, and may be sent as it is: the two have to agree.
    const inner = input.properties?.[inputAt] ?? {};
    const optional = { ...inner, required: (inner.required ?? []).filter((name) => !names.has(name)) };
    return { ...input, properties: { ...input.properties, [inputAt]: optional } };
  }
  if (input.anyOf !== undefined) {
    const meant = input.anyOf.filter((one) => [...names].every((name) => name in fieldsOf(one)));
    const left = meant.map((one) => without(one, names));
    return left.length === 1 && left[0] !== undefined ? left[0] : { ...input, anyOf: left };
  }
  const { properties, required = [], default: _, ...more } = input;
  const isLeft = (name: string) => !names.has(name);
  return {
    ...more,
    ...(properties === undefined
      ? {}
      : { properties: Object.fromEntries(Object.entries(properties).filter(([name]) => isLeft(name))) }),
    ...(required.some(isLeft) ? { required: required.filter(isLeft) } : {}),
  };
}

function isRequired({ required = [], anyOf = [] }: JsonSchema, name: string): boolean {
  return required.includes(name) || (anyOf.length > 0 && anyOf.every((one) => isRequired(one, name)));
}

function split({ description, ...schema }: JsonSchema): { description?: string; schema: JsonSchema } {
  return typeof description === "string" ? { description, schema } : { schema };
}
