// The messages of rows: what is shown is read from the stream, and what is not there any more is not shown.
import { dlqStream } from "@muster/contracts";
import { fail } from "../../errors.ts";
import type { Nats } from "../../nats/connection.ts";
import { closeMessages, messageAt, type Stored } from "../../nats/scan.ts";
import { type DeadLetter, toDeadLetter } from "../read.ts";
import type { Letters } from "./letters.ts";
import { deadLetterIndex } from "./registry.ts";

/** Messages read at once: each may be as large as the server's max_payload. */
export const AT_ONCE = 32;

/**
 * What `keep` makes of the dead letters of the rows, without those that are gone. Bodies are only held while `keep`
 * runs. `upTo`: the sequence up to which nobody will look again, by default the last row's.
 */
export async function readRows<T>(
  nats: Nats,
  stream: string,
  letters: Letters,
  rows: readonly number[],
  keep: (letter: DeadLetter, row: number) => T | Promise<T>,
  upTo: number = letters.seqs[rows.at(-1) ?? 0] ?? 0,
): Promise<Awaited<T>[]> {
  const kept: Awaited<T>[] = [];
  for (let i = 0; i < rows.length; i += AT_ONCE) {
    const together = rows.slice(i, i + AT_ONCE);
    // Neighbours come with one request, as they mostly are where no filter was given.
    const seqs = together.map((row) => letters.seqs[row] ?? 0);
    const read = await closeMessages(nats, dlqStream(stream), seqs);
    const some = together.map(async (row) => {
      const letter = await readRow(nats, stream, letters, row, { upTo, read });
      return letter === undefined ? [] : [await keep(letter, row)];
    });
    kept.push(...(await Promise.all(some)).flat());
  }
  return kept;
}

/**
 * The dead letter of a row with those of its copies that are still there. Where the row's own message is gone, a copy
 * behind `upTo` stands for it at its own place, when that is come to. `read`: messages that were read already.
 */
export async function readRow(
  nats: Nats,
  stream: string,
  letters: Letters,
  row: number,
  { upTo = Number.POSITIVE_INFINITY, read }: { upTo?: number; read?: ReadonlyMap<number, Stored> } = {},
): Promise<DeadLetter | undefined> {
  let first: DeadLetter | undefined;
  for (const one of letters.withCopies(row)) {
    const letter = await readOne(nats, stream, letters, one, read);
    if (first !== undefined) first.sequences.push(...(letter?.sequences ?? []));
    else if (letter !== undefined && (letters.seqs[one] ?? 0) > upTo) return undefined;
    else first = letter;
  }
  return first;
}

async function readOne(
  nats: Nats,
  stream: string,
  letters: Letters,
  row: number,
  read?: ReadonlyMap<number, Stored>,
): Promise<DeadLetter | undefined> {
  const seq = letters.seqs[row] ?? 0;
  const message = read?.get(seq) ?? (await messageAt(nats, dlqStream(stream), seq));
  if (message === undefined) {
    letters.remove(row);
    return undefined;
  }
  const letter = toDeadLetter(stream, message);
  if (letters.isOf(row, letter.id)) return letter;
  await deadLetterIndex(nats, stream).distrust(letters);
  throw fail(
    "changed_meanwhile",
    `stream ${dlqStream(stream)} has other messages than a moment ago; begin again`,
  );
}
