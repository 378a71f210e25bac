import { type Account, closeAccount, DeadLetterReason, type LedgerRow, sha256Hex } from "@muster/contracts";
import type { Group } from "./group.ts";

/** A message that the stream has taken. */
export type Accepted = { readonly seq: number; readonly eventId: string; readonly body: Uint8Array };

/** The account of a group, with what it does not tell: sequences and bytes. */
export type FullAccount = Account & {
  /** Accepted sequences that neither a row nor a dead letter tells of. */
  unaccounted: number[];
  /** Sequences whose dead letter is not what was published. */
  changedBytes: number[];
};

/** What an account that closes has in these fields. */
export const closed = { lost: [], repeated: [], invented: [], unaccounted: [], changedBytes: [] };

/** Closes the account of what was published to the group. Wait until it is quiet first. */
export async function accountOf(group: Group, accepted: readonly Accepted[]): Promise<FullAccount> {
  const letters = await group.deadLetters();
  const published = new Map<string, number>();
  for (const { eventId } of accepted) published.set(eventId, (published.get(eventId) ?? 0) + 1);
  const rows = new Map<string, LedgerRow[]>();
  for (const eventId of published.keys()) rows.set(eventId, await group.rowHistory(eventId));
  const account = closeAccount({
    published,
    rows,
    deadLetters: letters.map(({ headers }) => ({
      eventId: headers["Muster-Dlq-Event-Id"] ?? "",
      id: headers["Muster-Dlq-Id"] ?? "",
      reason: DeadLetterReason.parse(headers["Muster-Dlq-Reason"]),
    })),
  });
  const full: FullAccount = { ...account, unaccounted: [], changedBytes: [] };
  for (const { seq, eventId, body } of accepted) {
    const letter = letters.find(
      ({ headers }) =>
        headers["Muster-Dlq-Seq"] === String(seq) && headers["Muster-Dlq-Event-Id"] === eventId,
    );
    const isInRow = (rows.get(eventId) ?? []).some(
      (row) => row.sequence === seq || row.sequences.includes(seq),
    );
    if (!letter && !isInRow) full.unaccounted.push(seq);
    if (letter && sha256Hex(letter.body) !== sha256Hex(body)) full.changedBytes.push(seq);
  }
  return full;
}
