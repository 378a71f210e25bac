// Where a page of dead letters ended: an opaque text that stays good when letters come and go.
import { dlqStream } from "@muster/contracts";
import { z } from "zod";
import { fail } from "../errors.ts";

/** A cursor as callers hand it back. */
export const Cursor = z
  .string()
  .regex(/^[no][0-9]{1,16}-[0-9a-z]{1,16}$/, "must be the next_cursor of a page")
  .describe("The next_cursor of the page before, with the same filter");

/** The place of the last letter of a page. `created`: of the stream, for made again it has other letters there. */
export type Place = { order: "oldest" | "newest"; seq: number; created: string };

/** The cursor behind a letter. */
export function cursorOf({ order, seq, created }: Place): string {
  return `${order === "oldest" ? "o" : "n"}${seq}-${markOf(created)}`;
}

/** The sequence behind which the next page begins. Throws `bad_cursor`, and `changed_meanwhile` when the stream is another. */
export function sequenceOf(cursor: string, stream: string, { order, created }: Omit<Place, "seq">): number {
  const [place = "", mark] = cursor.slice(1).split("-");
  if (cursor.startsWith("o") !== (order === "oldest"))
    throw fail("bad_cursor", `this cursor is of a list in the other order than ${order} first; begin again`);
  if (mark !== markOf(created))
    throw fail("changed_meanwhile", `stream ${dlqStream(stream)} was made again meanwhile; begin again`);
  return Number(place);
}

function markOf(created: string): string {
  return Date.parse(created).toString(36);
}
