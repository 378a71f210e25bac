import { waitFor } from "@muster/testkit";

/** A machine that builds something else at the same time is slow to start five processes, and a Prometheus to scrape them. */
export const patienceMs = 60_000;

/** Polls until `check` gives something truthy, and returns that; a minute at most. */
export async function until<T>(what: string, check: () => T | Promise<T>): Promise<NonNullable<T>> {
  return await waitFor(what, check, { timeoutMs: patienceMs });
}
