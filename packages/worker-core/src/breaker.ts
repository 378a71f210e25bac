import type { GroupSpec } from "@muster/contracts";

type Limits = NonNullable<GroupSpec["breaker"]>;

const bucketCount = 10;

/**
 * Stops the pull for a while when too many attempts fail at once: a dependency of the handlers is down, and every
 * message taken meanwhile would only use up its attempts. Off unless the spec has `breaker`.
 */
export class Breaker {
  readonly #limits: () => Limits | undefined;
  readonly #onChange: (isOpen: boolean) => void;
  /** Attempts and failures by tenth of the window. */
  #buckets: { at: number; ended: number; failed: number }[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `onChange` is told when it opens and when it closes. */
  constructor(limits: () => Limits | undefined, onChange: (isOpen: boolean) => void) {
    this.#limits = limits;
    this.#onChange = onChange;
  }

  get isOpen(): boolean {
    return this.#timer !== undefined;
  }

  /** An attempt has ended. A permanent failure or a snooze is the message's own and counts as no failure. */
  attemptEnded(failed: boolean): void {
    const limits = this.#limits();
    if (limits === undefined || this.isOpen) {
      return;
    }
    const time = performance.now();
    const bucket = this.#bucketAt(time, limits.window_ms);
    bucket.ended += 1;
    bucket.failed += failed ? 1 : 0;
    if (failed) {
      this.#openWhenDue(limits);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #bucketAt(time: number, windowMs: number): { at: number; ended: number; failed: number } {
    const last = this.#buckets.at(-1);
    if (last !== undefined && time - last.at < windowMs / bucketCount) {
      return last;
    }
    const bucket = { at: time, ended: 0, failed: 0 };
    this.#buckets = [...this.#buckets.filter(({ at }) => time - at < windowMs), bucket];
    return bucket;
  }

  #openWhenDue(limits: Limits): void {
    let ended = 0;
    let failed = 0;
    for (const bucket of this.#buckets) {
      ended += bucket.ended;
      failed += bucket.failed;
    }
    if (ended < limits.min_attempts || failed / ended < limits.failure_share) {
      return;
    }
    this.#buckets = [];
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#onChange(false);
    }, limits.pause_ms);
    this.#onChange(true);
  }
}
