import { z } from "zod";
import { Count, Language, Name, Sequence, StoreTime, Timestamp } from "./values.ts";

/** History entries that are kept, the last ones. */
export const MAX_HISTORY = 20;

/** One start of a handler: `started` never reported back (yet). */
export const AttemptEntry = z.looseObject({
  attempt: z.int().min(1),
  outcome: z.enum(["started", "failed", "snoozed"]),
  member: Name,
  language: Language,
  version: z.string(),
  started_at: Timestamp,
  ended_at: Timestamp.optional(),
  error_class: z.string().optional(),
  error: z.string().optional(),
  delay_ms: Count.optional(),
});
export type AttemptEntry = z.infer<typeof AttemptEntry>;

/** The limit on attempts and the history of a message; written only when something goes wrong. */
export const AttemptsRecord = z
  .looseObject({
    v: z.literal(1),
    sequence: Sequence,
    store_time: StoreTime.describe("Another one means another message: the stream was re-made"),
    event_id: z.string(),
    attempts: Count.describe("Attempts that count: failed, or never reported back"),
    snoozes: Count,
    delivery: Count.describe("The server's delivery count at the last write"),
    open: z.boolean().describe("The last start has no outcome yet"),
    history: z.array(AttemptEntry).max(MAX_HISTORY),
  })
  .meta({ title: "attempts-record", description: "Attempts and history of a message" });
export type AttemptsRecord = z.infer<typeof AttemptsRecord>;
