import { waitFor as wait } from "@muster/testkit";

/** Longest wait for what a healthy worker does in a second or two, in ms: the machine may be busy. */
export let patienceMs = 40_000;

/** For all scenarios of this process. */
export function setPatience(ms: number): void {
  patienceMs = ms;
}

/** `waitFor` of the testkit with a scenario's patience. */
export function waitFor<T>(
  what: string,
  check: () => T | Promise<T>,
  options: { timeoutMs?: number; everyMs?: number } = {},
): Promise<NonNullable<T>> {
  return wait(what, check, { timeoutMs: patienceMs, ...options });
}
