import { type Account, closeAccount } from "@muster/contracts";
import type { Books } from "./books.ts";
import { type End, endOf, type KindName } from "./kinds.ts";
import type { FleetOrder } from "./orders.ts";

/** The account of a fleet, and all that is wrong with it. It closes when every list is empty. */
export type Audit = {
  account: Account;
  lost: string[];
  repeated: string[];
  invented: string[];
  /** Orders that ended, but not as their kind must, a line each. */
  astray: string[];
  /** Balances that are not the sum of the orders that are done, a line each. */
  wrongBalances: string[];
};

/** Closes the account of what was published over what is in the books. */
export function audit(orders: readonly FleetOrder[], { rows, letters, balances }: Books): Audit {
  const published = new Map(orders.map(({ eventId, kind }) => [eventId, copiesOf(kind)]));
  const account = closeAccount({ published, rows, deadLetters: letters });
  const { lost, repeated, invented } = account;
  const isNowhere = new Set(lost);
  const reasons = Map.groupBy(letters, ({ eventId }) => eventId);
  const astray = orders.flatMap(({ eventId, kind }) => {
    if (isNowhere.has(eventId)) return [];
    const isDone = rows.get(eventId)?.some((row) => row.status === "done") === true;
    const dead = (reasons.get(eventId) ?? []).map(({ reason }) => reason);
    const found = new Set<End>(isDone ? ["done", ...dead] : dead);
    const wanted = new Set<End>([endOf(kind), ...(kind === "conflicts" ? ["conflict" as const] : [])]);
    if (found.size === wanted.size && [...found].every((end) => wanted.has(end))) return [];
    return [`${eventId} (${kind}) is ${[...found].join(" and ")}, must be ${[...wanted].join(" and ")}`];
  });
  const wrongBalances = balances === undefined ? [] : compare(wantedBalances(orders, rows), balances);
  return { account, lost, repeated, invented, astray, wrongBalances };
}

function copiesOf(kind: KindName): number {
  return kind === "twice" || kind === "conflicts" ? 2 : 1;
}

function wantedBalances(orders: readonly FleetOrder[], rows: Books["rows"]): Map<string, number> {
  const wanted = new Map<string, number>();
  for (const { eventId, customer, cents } of orders) {
    if (rows.get(eventId)?.at(-1)?.status !== "done") continue;
    wanted.set(customer, (wanted.get(customer) ?? 0) + cents);
  }
  return wanted;
}

function compare(wanted: ReadonlyMap<string, number>, found: ReadonlyMap<string, number>): string[] {
  return [...new Set([...wanted.keys(), ...found.keys()])].flatMap((customer) => {
    const [is, must] = [found.get(customer) ?? 0, wanted.get(customer) ?? 0];
    return is === must ? [] : [`${customer} has ${is} cents, must have ${must}`];
  });
}
