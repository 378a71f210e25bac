// Dead letters, a page at a time, oldest first.
import { checkName, dlqStream, replayNumberOf } from "@muster/contracts";
import type { Nats } from "../nats/connection.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import { getStream } from "../groups/streams.ts";
import { type DeadLetter, readDeadLetters } from "./read.ts";

/** A dead letter in the list; without its body. */
export type DeadLetterLine = {
  id: string;
  /** Where its first copy lies in the dead-letter stream; also the cursor that follows it. */
  dlq_seq: number;
  copies: number;
  group: string;
  reason: string;
  event_id: string;
  subject: string;
  error_class: string;
  error: string;
  attempts: number;
  member: string;
  language: string;
  first_at: string;
  last_at: string;
  replay_number: number;
  size: number;
  /** When its event was done after all, by a replay or a corrected order; where the ledger can be seen. */
  done_since?: string;
};

/** Which dead letters, and how many; `cursor` is the last page's `next_cursor`. */
export type ListQuery = {
  stream: string;
  group?: string | undefined;
  reason?: string | undefined;
  /** Those that were discarded instead. */
  archived?: boolean | undefined;
  cursor?: number | undefined;
  limit: number;
};

/**
 * A page of dead letters. The whole selection is read for each page, because a copy can lie
 * anywhere and must not show up as a letter of its own.
 */
export async function listDeadLetters(
  nats: Nats,
  ledgers: Ledgers,
  query: ListQuery,
): Promise<{ items: DeadLetterLine[]; next_cursor?: number }> {
  checkName("stream", query.stream);
  if (query.group !== undefined) checkName("group", query.group);
  await getStream(nats, dlqStream(query.stream));
  const letters = await readDeadLetters(
    nats,
    query.stream,
    query.group,
    query.reason,
    query.archived === true ? "archive" : "dead",
  );
  const rest = letters.filter((letter) => firstSequence(letter) > (query.cursor ?? 0));
  const page = rest.slice(0, query.limit);
  const items = await Promise.all(page.map((letter) => toLine(ledgers, letter)));
  const last = page.at(-1);
  return rest.length > page.length && last !== undefined
    ? { items, next_cursor: firstSequence(last) }
    : { items };
}

/** The line of one dead letter. */
export async function toLine(ledgers: Ledgers, letter: DeadLetter): Promise<DeadLetterLine> {
  const { headers } = letter;
  const row = await ledgers.rowIfSeen(letter.stream, letter.group, letter.eventId);
  return {
    id: letter.id,
    dlq_seq: firstSequence(letter),
    copies: letter.sequences.length,
    group: letter.group,
    reason: letter.reason,
    event_id: letter.eventId,
    subject: headers["Muster-Dlq-Subject"] ?? "",
    error_class: headers["Muster-Dlq-Error-Class"] ?? "",
    error: headers["Muster-Dlq-Error"] ?? "",
    attempts: Number(headers["Muster-Dlq-Attempts"] ?? 0) || 0,
    member: headers["Muster-Dlq-Member"] ?? "",
    language: headers["Muster-Dlq-Language"] ?? "",
    first_at: headers["Muster-Dlq-First-At"] ?? "",
    last_at: headers["Muster-Dlq-Last-At"] ?? "",
    replay_number: replayNumberOf(headers["Muster-Dlq-Replay-Number"]),
    size: letter.body.byteLength,
    // The done row of a conflict is what it conflicts with, and says nothing of this body.
    ...(row?.status === "done" && letter.reason !== "conflict" ? { done_since: row.at } : {}),
  };
}

function firstSequence(letter: DeadLetter): number {
  return letter.sequences[0] ?? 0;
}
