// What an apply did to one thing, and the mark on what Muster made.
import { z } from "zod";
import type { StreamConfig } from "@nats-io/jetstream";
import type { Nats } from "../nats/connection.ts";

/** `adopted`: made by others, fits, left as it is; `taken_over`: made by others, Muster's from now on. */
export const Change = z
  .strictObject({
    what: z.string(),
    change: z.enum(["created", "updated", "unchanged", "adopted", "taken_over"]),
  })
  .meta({ id: "Change" });
export type Change = z.infer<typeof Change>;

/** What Muster's mark on a stream or consumer says it is. */
export type Kind = "bucket" | "source" | "dlq" | "group" | "audit";

/** The field of the metadata with the mark. */
export const MARK = "muster.kind";

/** The metadata that marks a stream or consumer as Muster's own; what lacks it is never rewritten. */
export function mark(kind: Kind): Record<string, string> {
  return { [MARK]: kind };
}

/** What a stream or consumer is to Muster; nothing when others made it. */
export function kindOf(config: { metadata?: Record<string, string> | undefined }): string | undefined {
  return config.metadata?.[MARK];
}

/**
 * What makes a stream of ours as safe as a group that is to have so many replicas: with fewer of its ledger, dead letters
 * or audit, a lost server would stop the group all the same.
 */
export function moreReplicas(config: StreamConfig, replicas: number): Partial<StreamConfig> {
  return kindOf(config) !== undefined && config.num_replicas < replicas ? { num_replicas: replicas } : {};
}

/** Milliseconds as the nanoseconds of the JetStream API. */
export function ns(ms: number): number {
  return ms * 1_000_000;
}

/** Room a dead letter's headers may need on top of the largest message of its source stream. */
export const DEAD_LETTER_ROOM = 32 * 1024;

/** The largest message a source stream takes, so that its dead letter still fits the server. */
export function maxMessageSize(nats: Nats): number {
  return (nats.nc.info?.max_payload ?? 1024 * 1024) - DEAD_LETTER_ROOM;
}
