// How many dead letters there are: of a filter by the index, and by group and reason as the server counts them.
import { archiveFilter, checkName, dlqFilter } from "@muster/contracts";
import { z } from "zod";
import { countSubjects } from "../groups/dead.ts";
import type { Nats } from "../nats/connection.ts";
import type { DeadLetterFilter } from "./filter.ts";
import { eachRow, matcher } from "./index/filter-rows.ts";
import { deadLetterIndex } from "./index/registry.ts";
import { IndexStatus } from "./index/status.ts";
import { type Selected, selectionOf } from "./list.ts";

/** Dead letters of a filter, each once. */
export const Counted = z.strictObject({ count: z.int(), index: IndexStatus }).meta({ id: "DeadLetterCount" });

/** Counts without reading a message. */
export async function countDeadLetters(nats: Nats, selected: Selected): Promise<z.infer<typeof Counted>> {
  const { stream, filter, shelf } = selectionOf(selected);
  const { letters, status } = await deadLetterIndex(nats, stream).view("exact");
  let count = 0;
  await eachRow(letters, await matcher(letters, filter, shelf), { from: 0 }, () => {
    count++;
  });
  return { count, index: status };
}

/** The dead letters of a filter whose first copy lies behind `after`, up to `upTo`. */
export async function countBetween(
  nats: Nats,
  stream: string,
  filter: DeadLetterFilter,
  { after, upTo }: { after: number; upTo: number },
): Promise<number> {
  const { letters } = await deadLetterIndex(nats, stream).view("exact");
  const match = await matcher(letters, filter, "dead");
  let count = 0;
  await eachRow(letters, match, { from: letters.rowFrom(after + 1) }, (row) => {
    if ((letters.seqs[row] ?? 0) > upTo) return false;
    count++;
    return true;
  });
  return count;
}

/** Messages by group and reason; copies of one letter count each. */
export const Totals = z
  .strictObject({
    groups: z.array(
      z.strictObject({
        group: z.string(),
        dead: z.int(),
        archived: z.int(),
        by_reason: z.record(z.string(), z.strictObject({ dead: z.int(), archived: z.int() })),
      }),
    ),
  })
  .meta({ id: "DeadLetterTotals" });

/** One stream info for each shelf, whatever the number of letters. */
export async function totalsOf(
  nats: Nats,
  { stream, group }: { stream: string; group?: string | undefined },
): Promise<z.infer<typeof Totals>> {
  checkName("stream", stream);
  if (group !== undefined) checkName("group", group);
  const [dead, archived] = await Promise.all([
    countSubjects(nats, stream, dlqFilter(stream, group)),
    countSubjects(nats, stream, archiveFilter(stream, group)),
  ]);
  const names = [...new Set([...dead.keys(), ...archived.keys()])].sort();
  return {
    groups: names.map((name) => {
      const [ofDead, ofArchived] = [dead.get(name) ?? {}, archived.get(name) ?? {}];
      const reasons = [...new Set([...Object.keys(ofDead), ...Object.keys(ofArchived)])].sort();
      return {
        group: name,
        dead: sum(ofDead),
        archived: sum(ofArchived),
        by_reason: Object.fromEntries(
          reasons.map((reason) => [reason, { dead: ofDead[reason] ?? 0, archived: ofArchived[reason] ?? 0 }]),
        ),
      };
    }),
  };
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
