// A page of a selection: from a cursor on, as many letters as fit, each read from the stream before it is given out.
import type { Nats } from "../nats/connection.ts";
import { cursorOf, sequenceOf } from "./cursor.ts";
import type { DeadLetterFilter } from "./filter.ts";
import { eachRow, matcher } from "./index/filter-rows.ts";
import { AT_ONCE, readRows } from "./index/read-rows.ts";
import { deadLetterIndex } from "./index/registry.ts";
import type { IndexStatus } from "./index/status.ts";
import type { DeadLetter, Shelf } from "./read.ts";

/** Which letters, from where, and how many. */
export type PageQuery = {
  stream: string;
  filter: DeadLetterFilter;
  shelf: Shelf;
  order: "oldest" | "newest";
  cursor?: string | undefined;
  limit: number;
  /** The page ends behind the letter that takes it there; bodies are what is counted. */
  maxBytes?: number;
};

/** `next_cursor`: there is more. While the index is building, more may come behind the last page too. */
export type Page<T> = { items: T[]; next_cursor?: string; index: IndexStatus };

/**
 * What `keep` makes of each letter. One that is gone is never on a page; one that is there the whole time is on exactly
 * one, however many come and go. Throws `no_stream`, `bad_cursor`, `changed_meanwhile`.
 */
export async function pageOf<T>(
  nats: Nats,
  query: PageQuery,
  keep: (letter: DeadLetter) => Promise<T>,
): Promise<Page<T>> {
  const { stream, order, limit, maxBytes = Number.POSITIVE_INFINITY } = query;
  const { letters, created, status } = await deadLetterIndex(nats, stream).view("whole");
  const place = { order, created };
  const isDown = order === "newest";
  const match = await matcher(letters, query.filter, query.shelf);
  let from = isDown ? letters.size - 1 : 0;
  let last = 0;
  if (query.cursor !== undefined) {
    last = sequenceOf(query.cursor, stream, place);
    from = isDown ? letters.rowFrom(last) - 1 : letters.rowFrom(last + 1);
  }
  const items: T[] = [];
  let bytes = 0;
  const isFull = () => items.length >= limit || bytes >= maxBytes;
  for (;;) {
    const rows: number[] = [];
    // One more than fits says whether there is more.
    const wanted = isFull() ? 1 : Math.min(AT_ONCE, limit - items.length);
    await eachRow(letters, match, { from, isDown }, (row) => rows.push(row) < wanted);
    const end = rows.at(-1);
    if (isFull() || end === undefined) {
      const isMore = end !== undefined || (status.state === "building" && !isDown);
      return { items, ...(isMore ? { next_cursor: cursorOf({ ...place, seq: last }) } : {}), index: status };
    }
    const keepWith = async (letter: DeadLetter, row: number) => ({
      row,
      size: letter.body.byteLength,
      item: await keep(letter),
    });
    const upTo = isDown ? Number.POSITIVE_INFINITY : letters.seqs[end];
    let reached = end;
    for (const { row, size, item } of await readRows(nats, stream, letters, rows, keepWith, upTo)) {
      items.push(item);
      bytes += size;
      if (bytes < maxBytes) continue;
      reached = row;
      break;
    }
    last = letters.seqs[reached] ?? last;
    from = reached + (isDown ? -1 : 1);
  }
}
