import { languages } from "@muster/testkit";
import type { Letter } from "../demo/account.ts";
import type { Row } from "./books.ts";

/** Of the dead letters that were replayed: how many that one language made were done by which. */
export type HandedOver = Record<string, Record<string, number>>;

/** Looks who has done the events of these dead letters. */
export function handedOver(
  letters: readonly Letter[],
  rows: ReadonlyMap<string, readonly Row[]>,
): HandedOver {
  const table: HandedOver = {};
  for (const [eventId, language] of new Map(letters.map((one) => [one.eventId, one.language]))) {
    const row = rows.get(eventId)?.at(-1);
    if (row?.status !== "done") continue;
    const done = (table[language] ??= {});
    done[row.language] = (done[row.language] ?? 0) + 1;
  }
  return table;
}

/** Languages whose dead letters nobody else has done, and those that have done nobody else's. */
export function handOverGaps(table: HandedOver): string[] {
  return languages.flatMap((one) => {
    const others = languages.filter((other) => other !== one);
    const given = others.some((other) => (table[one]?.[other] ?? 0) > 0);
    const taken = others.some((other) => (table[other]?.[one] ?? 0) > 0);
    return [
      ...(given ? [] : [`no dead letter of ${one} was done by another language`]),
      ...(taken ? [] : [`${one} has done no dead letter of another language`]),
    ];
  });
}
