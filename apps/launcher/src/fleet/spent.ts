import type { Letter } from "../demo/account.ts";
import { endOf, type KindName } from "./kinds.ts";
import type { FleetOrder } from "./orders.ts";

/** Kinds whose handler never fails: only processes that are killed could use their attempts up, and not all of them. */
const harmless: readonly KindName[] = ["good", "twice", "conflicts", "snoozes"];

/**
 * Dead letters of orders that fail or hang at first and were to recover: processes that were killed under them have
 * used up the attempts that were left. They are right, and done when replayed.
 */
export function spentByBlows(orders: readonly FleetOrder[], letters: readonly Letter[]): Letter[] {
  const kindOf = kindsById(orders);
  return letters.filter(({ eventId, reason }) => {
    const kind = kindOf.get(eventId);
    const isSpent = reason === "exhausted" || reason === "crash_loop";
    return isSpent && kind !== undefined && kind !== "exhausted" && endOf(kind) === "done";
  });
}

/** Those among them that must not be: nothing in their handler fails, a line each. */
export function harmlessOf(orders: readonly FleetOrder[], spent: readonly Letter[]): string[] {
  const kindOf = kindsById(orders);
  return spent.flatMap(({ eventId, reason, language }) => {
    const kind = kindOf.get(eventId);
    return kind !== undefined && harmless.includes(kind)
      ? [`${eventId} (${kind}) died in ${language}: ${reason}`]
      : [];
  });
}

function kindsById(orders: readonly FleetOrder[]): Map<string, KindName> {
  return new Map(orders.map(({ eventId, kind }) => [eventId, kind]));
}
