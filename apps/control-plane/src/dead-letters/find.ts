// One dead letter by its id, with all its copies.
import { dlqStream, isName } from "@muster/contracts";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import type { View } from "./index/index.ts";
import { ARCHIVED, DEAD } from "./index/letters.ts";
import { readRow } from "./index/read-rows.ts";
import { deadLetterIndex } from "./index/registry.ts";
import type { DeadLetter, Shelf } from "./read.ts";

/** How long a look-up waits for an index that is being built. */
const WAIT_MS = 20_000;

/**
 * The dead letter with all its copies, or nothing. An id of Muster's names its group, and no other group's letter is
 * taken for it. Throws `index_building` where it may lie in what is not read yet.
 */
export async function findDeadLetter(
  nats: Nats,
  stream: string,
  id: string,
  shelf: Shelf = "dead",
): Promise<DeadLetter | undefined> {
  const group = groupOf(id);
  const { letters, status } = await viewIfThere(nats, stream);
  for (const row of letters?.candidates(id) ?? []) {
    if (letters?.flags[row] !== (shelf === "dead" ? DEAD : ARCHIVED)) continue;
    const letter = await readRow(nats, stream, letters, row);
    if (letter?.id === id && (group === undefined || letter.group === group)) return letter;
  }
  if (status === undefined || status.state === "ready") return undefined;
  throw fail(
    "index_building",
    `dead letter ${id} is not among the ones of ${dlqStream(stream)} that are read yet; try again shortly`,
  );
}

/** The dead letter, or error `not_found`. */
export async function getStoredDeadLetter(
  nats: Nats,
  stream: string,
  id: string,
  shelf: Shelf = "dead",
): Promise<DeadLetter> {
  const letter = await findDeadLetter(nats, stream, id, shelf);
  if (letter === undefined)
    throw fail(
      "not_found",
      shelf === "dead"
        ? `dead letter ${id} is not in ${dlqStream(stream)}: replayed, discarded, or never there`
        : `dead letter ${id} is not in the archive of ${stream}: restored, or never there`,
    );
  return letter;
}

/** Without a stream there are no dead letters. */
async function viewIfThere(nats: Nats, stream: string): Promise<Partial<View>> {
  try {
    return await deadLetterIndex(nats, stream).view("whole", WAIT_MS);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "no_stream") return {};
    throw error;
  }
}

// dl.<group>.<24 hex>.<seq>.<store time>; groups have no dots. Any other id may be of any group.
function groupOf(id: string): string | undefined {
  const group = /^dl\.([^.]+)\.[0-9a-f]{24}\.\d+\.\d+$/.exec(id)?.[1];
  return group !== undefined && isName(group) ? group : undefined;
}
