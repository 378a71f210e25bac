// All procedures with what they take, as a document: who makes commands or clients of them need not load the router.
import type { ProcedurePath } from "../router.ts";
import { BASE, type Operation, operations } from "./operations.ts";
import { type Declared, declaredOf } from "./procedures.ts";
import { parametersOf } from "./route.ts";
import type { JsonSchema } from "./schemas.ts";

/** A procedure as the document has it. */
export type Listed = {
  path: ProcedurePath;
  type: Declared["type"];
  role: Declared["role"];
  summary: string;
  description?: string;
  /** Method and path of each of its REST operations. */
  rest: string[];
  /** Fields that name what it is about, in order; `is_optional`: it is also called without. */
  names: { name: string; is_optional?: true }[];
  /** JSON Schema of the input; absent where it takes none. */
  input?: JsonSchema;
};

/** The document, in the order of the operations. */
export function procedureList(): { procedures: Listed[] } {
  const paths = [...new Set(Object.values(operations).map(({ procedure }) => procedure))];
  return { procedures: paths.map(listed) };
}

function listed(path: ProcedurePath): Listed {
  const of = Object.values(operations).filter(({ procedure }) => procedure === path);
  const { type, role, input } = declaredOf(path);
  const [first] = of;
  if (first === undefined) throw new Error(`${path} has no operation`);
  const { summary, description } = first;
  return {
    path,
    type,
    role,
    summary,
    ...(description === undefined ? {} : { description }),
    rest: of.map(({ method, path: below }) => `${method} ${BASE}${below}`),
    // Names within another field belong to a document, which says them itself.
    names: first.inputAt === undefined ? namesOf(of) : [],
    ...(Object.keys(input).length === 0 ? {} : { input: short(input) as JsonSchema }),
  };
}

function namesOf(of: Operation[]): Listed["names"] {
  const all = of.map(parametersOf);
  return [...new Set(all.flat())].map((name) =>
    all.every((names) => names.includes(name)) ? { name } : { name, is_optional: true as const },
  );
}

/** Without patterns that say no more than their format. */
function short(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(short);
  if (typeof value !== "object" || value === null) return value;
  const isFormatted = "format" in value && typeof value.format === "string";
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      isFormatted && key === "pattern" ? [] : [[key, short(inner)]],
    ),
  );
}
