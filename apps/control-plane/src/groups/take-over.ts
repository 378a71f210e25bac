// What others made becomes Muster's, where the operator asks for it by name: it gets the mark, and is changed to fit.
import { kindOf, type Kind, MARK } from "./change.ts";
import { type Difference, differencesBetween, type PlannedChange } from "./plan-change.ts";

type Marked = { metadata?: Record<string, string> | undefined };

/** The patch that takes a thing over; its other metadata stays. */
export function takingOver<P extends object>(
  is: Marked,
  patch: P,
  marks: Record<string, string>,
): P & { metadata: Record<string, string> } {
  return { ...patch, metadata: { ...is.metadata, ...marks } };
}

/** What a take-over changes, field by field, the mark among them. */
export function takeOver(what: string, kind: Kind, differences: readonly Difference[]): PlannedChange {
  return {
    what,
    change: "take_over",
    differences: [...differences, { field: `metadata.${MARK}`, wanted: kind }],
  };
}

/** What would become of a thing that is there. */
export function planOf(
  what: string,
  is: Marked,
  patch: object,
  { kind, adopt }: { kind: Kind; adopt: boolean },
): PlannedChange {
  const differences = differencesBetween(is, patch);
  if (kindOf(is) === undefined)
    return adopt ? takeOver(what, kind, differences) : { what, change: "adopt", differences: [] };
  return { what, change: differences.length === 0 ? "unchanged" : "update", differences };
}
