// What others made becomes Muster's, where the operator asks for it by name: it gets the mark, and is changed to fit.
import { kindOf, type Kind, MARK } from "./change.ts";
import { type Difference, differencesBetween, type PlannedChange } from "./plan-change.ts";

const PLACE = "muster.taken_over_at";

type Marked = { metadata?: Record<string, string> | undefined };

/** The patch that takes a thing over; its other metadata stays. */
export function takingOver<P extends object>(
  is: Marked,
  patch: P,
  marks: Record<string, string>,
): P & { metadata: Record<string, string> } {
  return { ...patch, metadata: { ...is.metadata, ...marks } };
}

/** The mark that says up to which sequence somebody else settled messages, without a row in the ledger. */
export function placeMark(sequence: number): Record<string, string> {
  return { [PLACE]: String(sequence) };
}

/** The sequence of {@link placeMark}; 0 for what Muster made itself. */
export function placeOf({ metadata }: Marked): number {
  const sequence = Number(metadata?.[PLACE] ?? 0);
  return Number.isSafeInteger(sequence) && sequence > 0 ? sequence : 0;
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
