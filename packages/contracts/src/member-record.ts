import { z } from "zod";
import { ContractName, Count, Language, Name, Sequence, Timestamp } from "./values.ts";

/** What a member says of itself with every heartbeat. Newer members may say more. */
export const MemberRecord = z
  .looseObject({
    v: z.literal(1),
    id: Name,
    instance: z.string().min(1).max(64).describe("UUID of the process; tells a taken id"),
    language: Language,
    core_version: z.string(),
    app_version: z.string(),
    host: z.string(),
    pid: Count,
    started_at: Timestamp,
    state: z.enum(["starting", "running", "paused", "draining"]),
    degraded: z.boolean().default(false).describe("Ledger, records or dead letters out of reach"),
    delivery: z.enum(["pull", "batch", "push", "queue"]),
    concurrency: Count,
    in_flight: Count.describe("Handlers that run, those past their deadline included"),
    held: Count.default(0).describe("Messages in hand, started or not"),
    counts: z
      .looseObject({
        done: Count,
        retry: Count,
        snoozed: Count,
        returned: Count,
        dead: Count,
        repeat: Count.default(0).describe("The event was done before, with the same body"),
        stale: Count.default(0).describe("A later copy of the event had died already"),
      })
      .describe("Deliveries by outcome since started_at"),
    p50_ms: z.number().min(0).optional().describe("Median handling time; absent before the first"),
    p99_ms: z.number().min(0).optional(),
    last_error: z.string().optional(),
    spec_revision: Count.describe("Revision of the spec in use; 0: none, or it is gone"),
    contracts: z.array(ContractName).describe("Contracts that are loaded"),
    oldest: z
      .looseObject({ sequence: Sequence, since: Timestamp })
      .optional()
      .describe("The message longest in hand; absent when there is none"),
    restart_needed: z
      .array(z.string())
      .default([])
      .describe("Fields of the spec that changed and need a restart: delivery, ledger"),
  })
  .meta({ title: "member-record", description: "One worker process in a group" });
export type MemberRecord = z.infer<typeof MemberRecord>;
