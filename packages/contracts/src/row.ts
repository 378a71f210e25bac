import type { DeadLetterReason } from "./dead-letter.ts";
import { type LedgerRow, MAX_SEQUENCES } from "./ledger-row.ts";
import type { Language } from "./values.ts";

/** The identity of a message: its body's SHA-256, its sequence, its store time (ns, text). */
export interface MessageIdentity {
  bodySha256: string;
  sequence: number;
  storeTime: string;
}

/**
 * What the row of its event says of a message: `run` it; `repeat`, its effect is there; `finish`
 * the dead letter that a crash left unfinished; `stale`, a later copy died already; `conflict`,
 * the event was settled with another body.
 */
export type RowDecision = "run" | "repeat" | "conflict" | "finish" | "stale";

/** What the ledger says of a message. `undefined`: no row, or a deleted one. */
export function decideRow(row: LedgerRow | undefined, message: MessageIdentity): RowDecision {
  if (!row) return "run";
  const sameBody = row.body_sha256 === message.bodySha256;
  if (row.status === "done") return sameBody ? "repeat" : "conflict";
  const order = compareAge(row, message);
  if (order === 0) return "finish";
  if (order < 0) return "run";
  return sameBody ? "stale" : "conflict";
}

/**
 * Whether the row has counted this message already. Else it joins the row before it is answered: a
 * repeat the done row before its ack, a stale message the dead row before its term. Nothing else
 * would tell what became of its sequence.
 */
export function rowKnows(row: LedgerRow, message: { sequence: number; storeTime: string }): boolean {
  const own = row.sequence === message.sequence && row.store_time === message.storeTime;
  return own || row.sequences.includes(message.sequence);
}

/** The row, done or dead, with one more sequence: 32 are kept, further ones are counted. */
export function joinRow(row: LedgerRow, sequence: number): LedgerRow {
  if (row.sequences.length >= MAX_SEQUENCES) return { ...row, more: row.more + 1 };
  return { ...row, sequences: [...row.sequences, sequence] };
}

/** Who settles which message, and when (RFC 3339). */
export interface RowFacts extends MessageIdentity {
  eventId: string;
  member: string;
  language: Language;
  at: string;
}

/** A done row. `earlier` is the dead row that it overwrites. */
export function doneRow(facts: RowFacts, result: unknown, earlier: LedgerRow | undefined): LedgerRow {
  return newRow("done", facts, { result }, earlier);
}

/** A dead row, with the headers of its dead letter. `earlier` is the dead row that it overwrites. */
export function deadRow(
  facts: RowFacts,
  dead: { reason: DeadLetterReason; headers: Record<string, string> },
  earlier: LedgerRow | undefined,
): LedgerRow {
  return newRow("dead", facts, dead, earlier);
}

function newRow(
  status: LedgerRow["status"],
  facts: RowFacts,
  end: Pick<LedgerRow, "result" | "reason" | "headers">,
  earlier: LedgerRow | undefined,
): LedgerRow {
  const row: LedgerRow = {
    v: 1,
    status,
    event_id: facts.eventId,
    body_sha256: facts.bodySha256,
    sequence: facts.sequence,
    store_time: facts.storeTime,
    sequences: earlier?.sequences ?? [],
    more: earlier?.more ?? 0,
    ...end,
    member: facts.member,
    language: facts.language,
    at: facts.at,
  };
  return earlier ? joinRow(row, earlier.sequence) : row;
}

// By store time first: a stream that was made again counts its sequences from 1 once more.
function compareAge(row: LedgerRow, message: MessageIdentity): number {
  const atRow = BigInt(row.store_time);
  const atMessage = BigInt(message.storeTime);
  if (atRow !== atMessage) return atRow < atMessage ? -1 : 1;
  return row.sequence - message.sequence;
}
