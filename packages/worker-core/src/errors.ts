import { MusterError } from "@muster/contracts";

/** The ways a handler says how its order failed; any other error counts as retryable. */

/** The order can never succeed: it is dead-lettered at once with reason `permanent`. */
export class PermanentError extends Error {
  override readonly name: string = "PermanentError";
}

/** The order may succeed later: it is tried again after the group's backoff. */
export class RetryableError extends Error {
  override readonly name: string = "RetryableError";
  /** Wait this many milliseconds instead of the group's backoff. */
  readonly delayMs: number | undefined;

  constructor(message: string, options: { delayMs?: number; cause?: unknown } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.delayMs = isDelay(options.delayMs) ? options.delayMs : undefined;
  }
}

/** The order is not due yet: it comes back after the delay, and no attempt is counted. */
export class Snooze extends Error {
  override readonly name: string = "Snooze";
  /** Milliseconds; the group's `max_snooze_ms` bounds it. */
  readonly delayMs: number;

  constructor(delayMs: number) {
    super(`snoozed for ${delayMs} ms`);
    this.delayMs = isDelay(delayMs) ? delayMs : 0;
  }
}

/** True for an outage: something did not answer, and no attempt is counted for it. */
export function isUnreachable(thrown: unknown): thrown is MusterError {
  return thrown instanceof MusterError && thrown.code === "unreachable";
}

/** The class name and text of whatever a handler threw. */
export function describeError(thrown: unknown): { errorClass: string; error: string } {
  if (thrown instanceof Error) {
    return { errorClass: thrown.name || "Error", error: thrown.message };
  }
  return {
    errorClass: "Error",
    error: typeof thrown === "string" ? thrown : "handler threw no error object",
  };
}

function isDelay(ms: number | undefined): ms is number {
  return ms !== undefined && Number.isFinite(ms) && ms >= 0;
}
