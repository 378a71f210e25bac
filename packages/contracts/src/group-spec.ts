import { z } from "zod";
import { SUBJECT_FILTER_PATTERN } from "./names.ts";
import { ContractName, Name } from "./values.ts";

// A day: far below the seven days after which the attempts record of a waiting message expires.
const DAY_MS = 86_400_000;

const Delivery = z.discriminatedUnion("mode", [
  z.looseObject({ mode: z.literal("pull").describe("Members ask for what they have room for") }),
  z.looseObject({
    mode: z.literal("batch"),
    size: z
      .int()
      .min(1)
      .max(10_000)
      .describe("Messages handled at once, at most as many as concurrency allows"),
    wait_ms: z.int().min(1).max(5000).describe("Longest wait of a message for a full batch"),
  }),
  z.looseObject({
    mode: z.literal("push").describe("The server pushes, bounded by max_ack_pending only"),
  }),
  z.looseObject({ mode: z.literal("queue").describe("Core NATS queue group: at most once") }),
]);

const Retry = z.looseObject({
  max_attempts: z
    .int()
    .min(1)
    .max(1000)
    .default(5)
    .describe("Attempts that may fail before the message is dead"),
  backoff_ms: z
    .array(z.int().min(1).max(DAY_MS))
    .min(1)
    .max(100)
    .default([1000, 5000, 30_000, 120_000])
    .describe("Delay after each failed attempt; the last one repeats"),
  jitter: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .describe("Share of the delay by which it is spread to both sides"),
  max_snooze_ms: z
    .int()
    .min(1)
    .max(DAY_MS)
    .default(3_600_000)
    .describe("Longest delay a handler may snooze for"),
});

const Breaker = z
  .looseObject({
    failure_share: z.number().gt(0).max(1).describe("Share of failed attempts at which the breaker opens"),
    min_attempts: z
      .int()
      .min(1)
      .max(100_000)
      .default(20)
      .describe("Fewer attempts than this in the window say nothing"),
    window_ms: z.int().min(100).max(3_600_000).default(10_000).describe("How far back attempts are counted"),
    pause_ms: z
      .int()
      .min(100)
      .max(3_600_000)
      .default(5000)
      .describe("How long nothing is taken before it is tried again"),
  })
  .describe("Stops taking messages on a spike of failures; absent: off");

/** The desired state of a group; `parse` fills the defaults. Unknown fields are kept: a newer
 * control plane may have written them. */
export const GroupSpec = z
  .looseObject({
    v: z.literal(1),
    stream: Name.describe("The stream the group consumes; core: none, with mode queue only"),
    group: Name.describe("Also the durable name of its consumer"),
    contracts: z.array(ContractName).min(1).max(100).describe("Contracts accepted; the first is the default"),
    subjects: z
      .array(z.string().regex(new RegExp(SUBJECT_FILTER_PATTERN)))
      .min(1)
      .max(100)
      .describe("What the group takes of the stream"),
    delivery: Delivery.default({ mode: "pull" }),
    ledger: z.enum(["none", "kv", "postgres"]).default("kv"),
    ack_wait_ms: z
      .int()
      .min(100)
      .max(DAY_MS)
      .default(30_000)
      .describe("How long a message is a member's own after its last extension"),
    max_ack_pending: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(200_000)
      .describe("Messages of the whole group in flight or backing off"),
    concurrency: z.int().min(1).max(10_000).default(10).describe("Handlers at once in a member"),
    timeout_ms: z
      .int()
      .min(1)
      .max(DAY_MS)
      .default(60_000)
      .describe("Deadline of a handler; past it the attempt has failed"),
    retry: Retry.prefault({}),
    breaker: Breaker.optional(),
    min_members: z.int().min(0).max(10_000).default(1).describe("Fewer members than this are reported"),
    paused: z.boolean().default(false).describe("Members hold their place but take nothing"),
  })
  .meta({ title: "group-spec", description: "The desired state of a group" });
export type GroupSpec = z.infer<typeof GroupSpec>;
/** A spec as an operator writes it: what has a default may be left out. */
export type GroupSpecInput = z.input<typeof GroupSpec>;
