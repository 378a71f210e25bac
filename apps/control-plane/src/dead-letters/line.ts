// A dead letter on one line: what lists show of it.
import { replayNumberOf } from "@muster/contracts";
import { z } from "zod";
import type { Ledgers } from "../ledger/ledgers.ts";
import { fingerprintOf } from "./normal-error.ts";
import type { DeadLetter } from "./read.ts";

/** A dead letter in the list; without its body. All texts are untrusted: escape them before showing them. */
export const DeadLetterLine = z.strictObject({
  id: z.string(),
  dlq_seq: z.number().describe("Where its first copy lies in the dead-letter stream"),
  copies: z.number(),
  group: z.string(),
  reason: z.string(),
  event_id: z.string(),
  subject: z.string(),
  error_class: z.string(),
  error: z.string(),
  fingerprint: z.string().describe("Of its failure group: the same for the same fault in all languages"),
  attempts: z.number(),
  member: z.string(),
  language: z.string(),
  version: z.string(),
  first_at: z.string(),
  last_at: z.string(),
  stored_at: z.string().describe("When it was stored as a dead letter, or moved; what since and until go by"),
  replay_number: z.number(),
  size: z.number(),
  done_since: z
    .string()
    .optional()
    .describe(
      "When its event was done after all, by a replay or a corrected order; where the ledger can be seen",
    ),
});
export type DeadLetterLine = z.infer<typeof DeadLetterLine>;

/** The line of one dead letter, with what the ledger says of its event. */
export async function toLine(ledgers: Ledgers, letter: DeadLetter): Promise<DeadLetterLine> {
  const row = await ledgers.rowIfSeen(letter.stream, letter.group, letter.eventId);
  return {
    ...factsOf(letter),
    // The done row of a conflict is what it conflicts with, and says nothing of this body.
    ...(row?.status === "done" && letter.reason !== "conflict" ? { done_since: row.at } : {}),
  };
}

/** What the letter says of itself. */
export function factsOf(letter: DeadLetter): DeadLetterLine {
  const header = (name: string) => letter.headers[`Muster-Dlq-${name}`] ?? "";
  const [errorClass, error] = [header("Error-Class"), header("Error")];
  return {
    id: letter.id,
    dlq_seq: letter.sequences[0] ?? 0,
    copies: letter.sequences.length,
    group: letter.group,
    reason: letter.reason,
    event_id: letter.eventId,
    subject: header("Subject"),
    error_class: errorClass,
    error,
    fingerprint: fingerprintOf(errorClass, error),
    attempts: Number(header("Attempts")) || 0,
    member: header("Member"),
    language: header("Language"),
    version: header("Version"),
    first_at: header("First-At"),
    last_at: header("Last-At"),
    stored_at: new Date(letter.storedAt).toISOString(),
    replay_number: replayNumberOf(letter.headers["Muster-Dlq-Replay-Number"]),
    size: letter.body.byteLength,
  };
}
