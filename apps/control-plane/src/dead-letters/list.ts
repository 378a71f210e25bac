// Dead letters, a page at a time.
import { z } from "zod";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import { Cursor } from "./cursor.ts";
import { DeadLetterFilter } from "./filter.ts";
import { IndexStatus } from "./index/status.ts";
import { DeadLetterLine, toLine } from "./line.ts";
import { pageOf } from "./page.ts";

/** What all questions about a selection name. */
export const Selected = DeadLetterFilter.extend({
  stream: z.string(),
  archived: z.boolean().optional().describe("Those that were discarded instead"),
});
export type Selected = z.infer<typeof Selected>;

/** A page of the list. */
export const ListQuery = Selected.extend({
  order: z
    .enum(["oldest", "newest"])
    .default("oldest")
    .describe("Which come first, by their place in the stream"),
  cursor: Cursor.optional(),
  limit: z.int().min(1).max(500).default(100).describe("At most so many on a page"),
});

/** Without `next_cursor` it is the last one. */
export const DeadLetterPage = z
  .strictObject({
    items: z.array(DeadLetterLine.meta({ id: "DeadLetterLine" })),
    next_cursor: z.string().optional(),
    index: IndexStatus,
  })
  .meta({ id: "DeadLetterPage" });
export type DeadLetterPage = z.infer<typeof DeadLetterPage>;

/** A page of dead letters; only its own messages are read. */
export async function listDeadLetters(
  nats: Nats,
  ledgers: Ledgers,
  query: z.infer<typeof ListQuery>,
): Promise<DeadLetterPage> {
  const { order, cursor, limit, ...selected } = query;
  const page = { ...selectionOf(selected), order, cursor, limit };
  return await pageOf(nats, page, (letter) => toLine(ledgers, letter));
}

/** The parts of a selection. */
export function selectionOf({ stream, archived, ...filter }: Selected) {
  return { stream, filter, shelf: archived === true ? "archive" : "dead" } as const;
}
