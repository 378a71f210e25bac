// A replay job as it lies in its bucket: what was asked, how far it is, and who has it in hand.
import { z } from "zod";
import { DeadLetterFilter } from "../dead-letters/filter.ts";

/** The most letters that may go first as a canary. */
export const MOST_CANARIES = 100;

const Sequence = z.int().min(0);

/** What an operator asks of a job. */
export const JobInput = z.strictObject({
  stream: z.string().max(60),
  filter: DeadLetterFilter.default({}),
  force: z.boolean().default(false).describe("Replays parked letters too. It never overrules the contract"),
  limit: z.int().min(1).max(1_000_000_000).optional().describe("At most so many letters; without one, all"),
  rate_per_second: z
    .number()
    .min(0.01)
    .max(100_000)
    .optional()
    .describe("Letters sent a second; without one, as fast as it goes"),
  canary: z
    .int()
    .min(1)
    .max(MOST_CANARIES)
    .optional()
    .describe("So many letters go first, and the others only when each of them is done"),
  failure_share: z
    .number()
    .min(0.01)
    .max(1)
    .optional()
    .describe(
      "The job fails when a larger share of what it sent (20 at least) is dead again; by default it never does",
    ),
});
export type JobInput = z.infer<typeof JobInput>;

/**
 * `running`: at work, or waiting for a control plane that takes it. `waiting_for_canary`: its first
 * letters are sent and not all settled. The last three are ends.
 */
export const JobState = z.enum(["running", "waiting_for_canary", "paused", "done", "cancelled", "failed"]);
export type JobState = z.infer<typeof JobState>;

/** A letter that went first. Without `seq` a killed control plane sent it, and did not come to say where it is. */
export const Canary = z.strictObject({
  id: z.string(),
  group: z.string(),
  event_id: z.string(),
  replay_number: z.int(),
  seq: z.int().optional(),
  outcome: z.enum(["done", "dead", "lost"]).optional(),
});
export type Canary = z.infer<typeof Canary>;

/** A letter that is still to be sent: where its copies lie, and how often it could not be. */
export const OpenLetter = z.object({ sequences: z.array(Sequence).min(1), tries: z.int() });
export type OpenLetter = z.infer<typeof OpenLetter>;

/** What came of the letters that were dealt with. `selected` is the sum of all the others, and those in `open`. */
export const JobCounts = z.strictObject({
  selected: z.int(),
  replayed: z.int(),
  /** Replayed too often, see `force`. */
  parked: z.int(),
  /** Left the dead letters by another replay or a discard, or by a control plane that was killed before it could count. */
  gone: z.int(),
  /** Refused, by code. They lie where they lay. */
  skipped: z.record(z.string(), z.int()),
  /** Not sent although nothing spoke against it, by code. They lie where they lay. */
  failed: z.record(z.string(), z.int()),
});
export type JobCounts = z.infer<typeof JobCounts>;

/** One replay job. Sequences are the dead-letter stream's. */
export const ReplayJob = z.object({
  v: z.literal(1),
  id: z.string(),
  ...JobInput.shape,
  created_at: z.string(),
  created_by: z.object({ id: z.string(), name: z.string() }),
  /** The last sequence when it was created: what came later is not the job's. */
  until_sequence: Sequence,
  /** When the dead-letter stream was created: one made again has other letters under the same sequences. */
  stream_created: z.string(),
  state: JobState,
  /** Why it failed, or was stopped. */
  reason: z.object({ code: z.string(), message: z.string() }).optional(),
  /** Letters up to here are dealt with, all but those in `open`. */
  cursor: Sequence,
  /** Letters that somebody else's replay held, or that NATS did not take just then; tried again. */
  open: z.array(OpenLetter),
  /** Letters behind the cursor that are about to be sent: after a crash those that are gone were sent. */
  window: z.object({ to: Sequence, letters: z.int(), at: Sequence.optional() }).optional(),
  /** The first note of letters, see `letters.ts`; a window's is at its `at`. */
  letters_from: Sequence.optional(),
  counts: JobCounts,
  canaries: z.array(Canary),
  canary_passed: z.boolean(),
  /** The last sequence when the first letter was sent: a canary that died again lies behind it. */
  canaries_after: Sequence.optional(),
  /** Some letters that were not sent, and why. */
  sample: z.array(z.object({ id: z.string(), code: z.string(), error: z.string() })),
  /** The control plane that has it in hand, and until when others leave it alone. */
  holder: z.string().optional(),
  lease_until: z.string().optional(),
  /** Of the holder's last write, which so knows it again when its answer was lost. */
  write: z.string().optional(),
  updated_at: z.string(),
  ended_at: z.string().optional(),
});
export type ReplayJob = z.infer<typeof ReplayJob>;

/** Whether nothing more will happen to it. */
export function isEnded({ state }: Pick<ReplayJob, "state">): boolean {
  return state === "done" || state === "cancelled" || state === "failed";
}

/** Whether a control plane has to work on it. */
export function isActive({ state }: Pick<ReplayJob, "state">): boolean {
  return state === "running" || state === "waiting_for_canary";
}

/** Whether somebody has it in hand. */
export function isHeld({ holder, lease_until }: ReplayJob, nowMs: number): boolean {
  return holder !== undefined && lease_until !== undefined && Date.parse(lease_until) > nowMs;
}

/** How many letters still have to go first; nothing when none have to, or they have passed. */
export function needsCanaries({ canary, canary_passed, canaries }: ReplayJob): number | undefined {
  return canary === undefined || canary_passed ? undefined : Math.max(0, canary - canaries.length);
}
