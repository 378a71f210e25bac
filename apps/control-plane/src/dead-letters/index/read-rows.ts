// The messages of rows: what is shown is read from the stream, and what is not there any more is not shown.
import { dlqStream } from "@muster/contracts";
import { fail } from "../../errors.ts";
import type { Nats } from "../../nats/connection.ts";
import { messageAt } from "../../nats/scan.ts";
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
    const some = rows.slice(i, i + AT_ONCE).map(async (row) => {
      const letter = await readRow(nats, stream, letters, row, upTo);
      return letter === undefined ? [] : [await keep(letter, row)];
    });
    kept.push(...(await Promise.all(some)).flat());
  }
  return kept;
}

/**
 * The dead letter of a row with those of its copies that are still there. Where the row's own message is gone, a copy
 * behind `upTo` stands for it at its own place, when that is come to.
 */
export async function readRow(
  nats: Nats,
  stream: string,
  letters: Letters,
  row: number,
  upTo: number = Number.POSITIVE_INFINITY,
): Promise<DeadLetter | undefined> {
  let first: DeadLetter | undefined;
  for (const one of letters.withCopies(row)) {
    const letter = await readOne(nats, stream, letters, one);
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
): Promise<DeadLetter | undefined> {
  const message = await messageAt(nats, dlqStream(stream), letters.seqs[row] ?? 0);
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
