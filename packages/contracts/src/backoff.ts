/** The part of a spec's `retry` that makes a delay. */
export interface Backoff {
  /** Delay after the first, second, … failed attempt; the last one repeats. */
  readonly backoff_ms: readonly number[];
  /** Share of the delay by which it is spread to both sides, 0 to 1. */
  readonly jitter: number;
}

/** Milliseconds to wait after failed attempt `attempt` (1-based). `random` is uniform in [0, 1). */
export function backoffDelayMs(retry: Backoff, attempt: number, random: number): number {
  const step = Math.min(attempt, retry.backoff_ms.length) - 1;
  const base = retry.backoff_ms[step];
  if (base === undefined) throw new RangeError(`no backoff for attempt ${attempt}`);
  return Math.floor(base * (1 + retry.jitter * (2 * random - 1)) + 0.5);
}
