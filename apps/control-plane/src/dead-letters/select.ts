// The dead letters of a filter, one by one in the order of their stream.
import { dlqStream } from "@muster/contracts";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import type { DeadLetterFilter } from "./filter.ts";
import { eachRow, matcher } from "./index/filter-rows.ts";
import { AT_ONCE, readRows } from "./index/read-rows.ts";
import { deadLetterIndex } from "./index/registry.ts";
import type { DeadLetter, Shelf } from "./read.ts";

/** `afterSeq`: only those whose first copy lies behind it in the dead-letter stream. `shelf`: default `dead`. */
export type SelectOptions = { afterSeq?: number | undefined; shelf?: Shelf | undefined };

/**
 * Each dead letter once, with all its copies, ordered by its first sequence in the dead-letter stream: to go on after
 * a stop, give the last one's as `afterSeq`. One that left meanwhile is left out; those that come meanwhile are at the
 * end. Waits for the index. Throws `no_stream`, and `changed_meanwhile` when the stream is made again in between.
 */
export async function* selectDeadLetters(
  nats: Nats,
  stream: string,
  filter: DeadLetterFilter,
  { afterSeq = 0, shelf = "dead" }: SelectOptions = {},
): AsyncGenerator<DeadLetter> {
  const index = deadLetterIndex(nats, stream);
  let after = afterSeq;
  let of: string | undefined;
  for (;;) {
    const { letters, created } = await index.complete();
    of ??= created;
    if (of !== created)
      throw fail("changed_meanwhile", `stream ${dlqStream(stream)} was made again meanwhile; begin again`);
    const rows: number[] = [];
    const match = await matcher(letters, filter, shelf);
    await eachRow(letters, match, { from: letters.rowFrom(after + 1) }, (row) => rows.push(row) < AT_ONCE);
    const last = rows.at(-1);
    if (last === undefined) return;
    const read = await readRows(nats, stream, letters, rows, (letter) => letter);
    // A copy that stands for its first may lie behind others of them.
    yield* read.sort((a, b) => firstOf(a) - firstOf(b));
    after = letters.seqs[last] ?? after;
  }
}

function firstOf({ sequences }: DeadLetter): number {
  return sequences[0] ?? 0;
}
