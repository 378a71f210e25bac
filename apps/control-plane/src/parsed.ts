// The schema, in an answer, of what passed it when it was read.
import { z } from "zod";

/**
 * Documented as `schema`, under the name `id`, and not parsed a second time: thousands of members in one answer would
 * cost tens of milliseconds for nothing.
 */
export function parsed<T extends z.ZodType>(id: string, schema: T): z.ZodType<z.output<T>> {
  const { $schema: _, ...shape } = z.toJSONSchema(schema, { io: "output" });
  return z.unknown().meta({ ...shape, id }) as unknown as z.ZodType<z.output<T>>;
}
