import type { DeadLetterReason } from "@muster/contracts";
import type { DeliveryOutcome, HandlerOutcome, Metrics } from "./metrics.ts";

/** How a delivery ended, as far as it is counted. `lost`: it was not ours any more. */
export type Outcome = DeliveryOutcome;

const keptSamples = 512;

/** What a member tells of itself: deliveries by outcome and the latest handling times. */
export class Stats {
  readonly counts = { done: 0, retry: 0, snoozed: 0, returned: 0, dead: 0, repeat: 0, stale: 0, lost: 0 };
  lastError: string | undefined;
  readonly #metrics: Metrics;
  readonly #samples: number[] = [];
  #next = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** A delivery has ended; `reason` of a dead letter. */
  count(outcome: Outcome, reason?: DeadLetterReason): void {
    this.counts[outcome] += 1;
    this.#metrics.count(outcome);
    if (reason !== undefined) {
      this.#metrics.deadLetter(reason);
    }
  }

  /** A message is settled, so long after it was received. */
  settled(ms: number): void {
    this.#metrics.settled(ms / 1000);
  }

  /** Notes how long a handler took. */
  readonly observe = (handledMs: number, how: HandlerOutcome): void => {
    this.#samples[this.#next] = handledMs;
    this.#next = (this.#next + 1) % keptSamples;
    this.#metrics.handled(how, handledMs / 1000);
  };

  /** The given share of the latest handlers was at most this fast; undefined before the first. */
  percentile(share: number): number | undefined {
    const sorted = this.#samples.toSorted((a, b) => a - b);
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return value === undefined ? undefined : Math.round(value * 1000) / 1000;
  }
}
