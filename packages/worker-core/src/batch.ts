import type { AttemptEntry } from "@muster/contracts";
import type { Context } from "./context.ts";

/** One message of a batch. */
export interface BatchMessage<T> {
  readonly value: T;
  /** The business identity: the same in every attempt, redelivery and replay. */
  readonly eventId: string;
  /** 1 at the first time. */
  readonly attempt: number;
  /** Earlier attempts and snoozes, oldest first. */
  readonly history: readonly AttemptEntry[];
  /** The original subject, also in a replay. */
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly sequence: number;
  readonly replayNumber: number;
  /** Aborts at the deadline of the batch, as the batch's own. */
  readonly signal: AbortSignal;
}

/** What a batch handler is told beside its messages. */
export type BatchContext = Pick<Context, "signal" | "log" | "nats" | "tx">;

/**
 * Works on several messages at once. It returns one outcome for each message, in their order: a result, or an Error
 * (`PermanentError`, `RetryableError`, `Snooze` or any other) for a message that failed. Returning nothing means that
 * all are done. What it throws is the outcome of all.
 *
 * With ledger `postgres` all effects go through `context.tx`, one transaction for the batch: write effects only for
 * messages whose outcome is a result.
 */
export type BatchHandler<T = unknown> = (
  messages: readonly BatchMessage<T>[],
  context: BatchContext,
) => unknown;

/** The outcomes of a batch by message; a wrong number of them is the outcome of all. */
export function outcomesOf(returned: unknown, count: number): unknown[] {
  if (returned === undefined) {
    return Array.from({ length: count }, () => undefined);
  }
  if (Array.isArray(returned) && returned.length === count) {
    return returned;
  }
  const what = Array.isArray(returned) ? `${returned.length} outcomes` : "no list of outcomes";
  const error = new Error(`batch handler returned ${what} for ${count} messages`);
  return Array.from({ length: count }, () => error);
}

/** How many messages a batch has at most and how many batches run at once, so that `concurrency` bounds both. */
export function batchShape(
  size: number,
  concurrency: number,
): { readonly size: number; readonly loops: number } {
  const effective = Math.min(size, concurrency);
  return { size: effective, loops: Math.max(1, Math.floor(concurrency / effective)) };
}
