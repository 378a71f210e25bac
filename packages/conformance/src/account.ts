import { type AccountEntries, DeadLetterReason, type LedgerRow, sha256Hex } from "@muster/contracts";
import type { Published } from "./publish.ts";
import type { DeadLetter, Entry } from "./read.ts";

/** What an account that closes has in these fields. */
export const closed = { lost: [], repeated: [], invented: [], unaccounted: [], changedBytes: [] };

/** The terms of the account by event id. */
export function accountEntries(
  published: readonly Published[],
  rows: readonly Entry<LedgerRow>[],
  letters: readonly DeadLetter[],
): AccountEntries {
  const counts = new Map<string, number>();
  for (const { eventId } of published) if (eventId !== null) counts.set(eventId, (counts.get(eventId) ?? 0) + 1);
  const byEvent = new Map<string, LedgerRow[]>();
  for (const { value } of rows) byEvent.set(value.event_id, [...(byEvent.get(value.event_id) ?? []), value]);
  return {
    published: counts,
    rows: byEvent,
    deadLetters: letters.map(({ headers }) => ({
      eventId: headers["Muster-Dlq-Event-Id"] ?? "",
      id: headers["Muster-Dlq-Id"] ?? "",
      reason: DeadLetterReason.parse(headers["Muster-Dlq-Reason"]),
    })),
  };
}

/** Sequences that nothing tells of, and those whose dead letter is not what was published. */
export function accountedFor(
  published: readonly Published[],
  rows: readonly Entry<LedgerRow>[],
  letters: readonly DeadLetter[],
): { unaccounted: number[]; changedBytes: number[] } {
  const inRows = new Set(rows.flatMap(({ value }) => [value.sequence, ...value.sequences].map((seq) => `${value.event_id} ${seq}`)));
  const unaccounted: number[] = [];
  const changedBytes: number[] = [];
  for (const message of published) {
    const own = letters.filter(({ headers }) => headers["Muster-Dlq-Seq"] === String(message.seq));
    const letter = own.find(({ headers }) => headers["Muster-Dlq-Event-Id"] === message.eventId);
    if (!letter && !inRows.has(`${message.eventId} ${message.seq}`)) unaccounted.push(message.seq);
    if (letter && sha256Hex(letter.body) !== message.bodySha256) changedBytes.push(message.seq);
  }
  return { unaccounted, changedBytes };
}
