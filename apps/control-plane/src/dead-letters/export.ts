// Dead letters with their bodies, a page at a time, for keeping elsewhere.
import { z } from "zod";
import type { Nats } from "../nats/connection.ts";
import { Cursor } from "./cursor.ts";
import { contentOf, DeadLetterContent } from "./get.ts";
import { IndexStatus } from "./index/status.ts";
import { Selected, selectionOf } from "./list.ts";
import { pageOf } from "./page.ts";

/** Bodies of a page; a page is that and one letter more at most. */
const MAX_BYTES = 4 * 1024 * 1024;

export const ExportQuery = Selected.extend({
  cursor: Cursor.optional(),
  limit: z.int().min(1).max(1000).default(500).describe("At most so many on a page"),
});

/** Each item is a letter by itself: written one a line they are the export. */
export const Exported = z
  .strictObject({
    items: z.array(DeadLetterContent.meta({ id: "DeadLetterContent" })),
    next_cursor: z.string().optional(),
    index: IndexStatus,
  })
  .meta({ id: "DeadLetterExport" });

/** A page of an export, oldest first; read until there is no `next_cursor`. Ledgers are not asked. */
export async function exportDeadLetters(
  nats: Nats,
  { cursor, limit, ...selected }: z.infer<typeof ExportQuery>,
): Promise<z.infer<typeof Exported>> {
  const page = { ...selectionOf(selected), order: "oldest", cursor, limit, maxBytes: MAX_BYTES } as const;
  return await pageOf(nats, page, async (letter) => contentOf(letter));
}
