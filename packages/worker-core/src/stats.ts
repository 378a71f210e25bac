/** How a delivery ended, as far as it is counted. */
export type Outcome = "done" | "retry" | "snoozed" | "returned" | "dead" | "repeat" | "stale";

const keptSamples = 512;

/** What a member tells of itself: deliveries by outcome and the latest handling times. */
export class Stats {
  readonly counts = { done: 0, retry: 0, snoozed: 0, returned: 0, dead: 0, repeat: 0, stale: 0 };
  lastError: string | undefined;
  readonly #samples: number[] = [];
  #next = 0;

  count(outcome: Outcome): void {
    this.counts[outcome] += 1;
  }

  /** Notes how long a handler took. */
  observe(handledMs: number): void {
    this.#samples[this.#next] = handledMs;
    this.#next = (this.#next + 1) % keptSamples;
  }

  /** The given share of the latest handlers was at most this fast; undefined before the first. */
  percentile(share: number): number | undefined {
    const sorted = this.#samples.toSorted((a, b) => a - b);
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return value === undefined ? undefined : Math.round(value * 1000) / 1000;
  }
}
