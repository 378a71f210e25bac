import { z } from "zod";
import { DeadLetterReason } from "./dead-letter.ts";
import { Count, Language, Name, Sequence, Sha256, StoreTime, Timestamp } from "./values.ts";

/** Further sequences a row keeps; beyond them it only counts. */
export const MAX_SEQUENCES = 32;

/** What became of an event in a group. It makes an effect happen once. */
export const LedgerRow = z
  .looseObject({
    v: z.literal(1),
    status: z.enum(["done", "dead"]),
    event_id: z.string(),
    body_sha256: Sha256,
    sequence: Sequence.describe("Of the message that settled the event"),
    store_time: StoreTime,
    sequences: z.array(Sequence).max(MAX_SEQUENCES).describe("Of further messages that brought the event"),
    more: Count.describe("Messages beyond those in sequences"),
    result: z.unknown().optional().describe("What the handler returned, for a done row"),
    reason: DeadLetterReason.optional().describe("For a dead row"),
    headers: z
      .record(z.string(), z.string())
      .optional()
      .describe("The whole header set of the dead letter, for a dead row"),
    member: Name,
    language: Language,
    at: Timestamp,
  })
  .meta({ title: "ledger-row", description: "What became of an event in a group" });
export type LedgerRow = z.infer<typeof LedgerRow>;
