import { setTimeout as sleep } from "node:timers/promises";

/**
 * Polls `check` until it returns something truthy, and returns that.
 * Fails after `timeoutMs` (default 15,000) with what it waited for and the last error seen.
 */
export async function waitFor<T>(
  what: string,
  check: () => T | Promise<T>,
  options: { timeoutMs?: number; everyMs?: number } = {},
): Promise<NonNullable<T>> {
  const { timeoutMs = 15_000, everyMs = 50 } = options;
  const until = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > until) throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause });
    await sleep(everyMs);
  }
}
