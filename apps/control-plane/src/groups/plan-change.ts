// What an apply would do to one thing, as fields that differ.
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { Change } from "./change.ts";

/** A field with what it is and what it would be; `is` absent: there is nothing yet. */
const Difference = z.strictObject({
  field: z.string(),
  is: z.unknown().optional(),
  wanted: z.unknown().optional(),
});
export type Difference = z.infer<typeof Difference>;

/**
 * What would happen to one thing. `adopt`: made by others, fits, and is left as it is; `take_over`: made by others,
 * and with the operator's consent changed to fit and Muster's from then on.
 */
export const PlannedChange = z
  .strictObject({
    what: z.string(),
    change: z.enum(["create", "update", "unchanged", "adopt", "take_over"]),
    differences: z.array(Difference),
  })
  .meta({ id: "PlannedChange" });
export type PlannedChange = z.infer<typeof PlannedChange>;

/** What an apply says where it did what was planned. */
export const doneWords: Readonly<Record<PlannedChange["change"], Change["change"]>> = {
  create: "created",
  update: "updated",
  unchanged: "unchanged",
  adopt: "adopted",
  take_over: "taken_over",
};

// Nanoseconds in the JetStream API; milliseconds wherever people and programs of ours look.
const nanoseconds = new Set([
  "ack_wait",
  "backoff",
  "duplicate_window",
  "inactive_threshold",
  "max_age",
  "max_expires",
]);

/** Where `is` has not what `wanted` names; metadata, which is our own mark, is not told. */
export function differencesBetween(is: object, wanted: object): Difference[] {
  const there = new Map<string, unknown>(Object.entries(is));
  return Object.entries(wanted).flatMap(([field, value]: [string, unknown]) =>
    field === "metadata" || isDeepStrictEqual(there.get(field), value)
      ? []
      : [difference(field, there.get(field), value)],
  );
}

/** As {@link differencesBetween}, into objects: `retry.max_attempts`. What is gone has no `wanted`. */
export function documentDifferences(is: object, wanted: object, path = ""): Difference[] {
  const there = new Map<string, unknown>(Object.entries(is));
  const then = new Map<string, unknown>(Object.entries(wanted));
  return [...new Set([...there.keys(), ...then.keys()])].sort().flatMap((field) => {
    const [before, after] = [there.get(field), then.get(field)];
    if (isDeepStrictEqual(before, after)) return [];
    return isPlain(before) && isPlain(after)
      ? documentDifferences(before, after, `${path}${field}.`)
      : [difference(`${path}${field}`, before, after)];
  });
}

/** The difference as a sentence's end: `ack_wait_ms is 2000, not 3000`. */
export function inWords({ field, is, wanted }: Difference): string {
  return `${field} is ${shown(is)}, not ${shown(wanted)}`;
}

function difference(field: string, is: unknown, wanted: unknown): Difference {
  const isNs = nanoseconds.has(field);
  const value = (given: unknown): unknown => {
    if (isNs && Array.isArray(given)) return given.map(value);
    return isNs && typeof given === "number" ? given / 1e6 : given;
  };
  return {
    field: isNs ? `${field}_ms` : field,
    ...(is === undefined ? {} : { is: value(is) }),
    ...(wanted === undefined ? {} : { wanted: value(wanted) }),
  };
}

function shown(value: unknown): string {
  if (value === undefined) return "none";
  return Array.isArray(value) ? value.join(", ") : typeof value === "string" ? value : JSON.stringify(value);
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
