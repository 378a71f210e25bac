import { setTimeout as sleep } from "node:timers/promises";

/** How a wait ends when what it waits for does not come. */
export type Patience = {
  /** Ends the wait at once, with its reason. */
  signal: AbortSignal;
  timeoutMs: number;
  everyMs?: number;
  /** What there was at the last look, for the message of the failure. */
  seen?: () => string;
};

/**
 * Looks until `check` gives something else than undefined, and gives that.
 * Fails after the deadline with what it waited for, what was seen, and the last error of `check`.
 */
export async function until<T>(
  what: string,
  check: () => Promise<T | undefined>,
  { signal, timeoutMs, everyMs = 200, seen }: Patience,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    signal.throwIfAborted();
    try {
      const value = await check();
      if (value !== undefined) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    signal.throwIfAborted();
    if (performance.now() > deadline) break;
    await sleep(everyMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  const last = [seen?.(), cause instanceof Error ? cause.message : undefined].filter(Boolean).join("; ");
  throw new Error(`waited ${timeoutMs / 1000} s for ${what}${last === "" ? "" : `; seen: ${last}`}`, {
    cause,
  });
}

/** The promise's value, unless the signal comes first or the deadline passes. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  { signal, timeoutMs, seen }: Patience,
): Promise<T> {
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);
  try {
    return await Promise.race([promise, sleep(timeoutMs, undefined, { signal: either }).then(fail, aborted)]);
  } finally {
    ended.abort();
  }
  function fail(): never {
    const last = seen?.();
    throw new Error(`waited ${timeoutMs / 1000} s for ${what}${last ? `; seen: ${last}` : ""}`);
  }
  function aborted(): never {
    throw either.reason;
  }
}
