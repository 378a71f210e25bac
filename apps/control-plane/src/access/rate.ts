// How many requests one token, or one address without a token, may send.

const MOST_KEYS = 10_000;

/** Lets through `perSecond` requests for each key, and a burst of twice as many. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #buckets = new Map<string, { left: number; at: number }>();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** False where the key has sent too many. */
  take(key: string, nowMs: number = performance.now()): boolean {
    const most = 2 * this.#perSecond;
    const bucket = this.#buckets.get(key) ?? { left: most, at: nowMs };
    bucket.left = Math.min(most, bucket.left + ((nowMs - bucket.at) / 1000) * this.#perSecond);
    bucket.at = nowMs;
    // Moved to the end: the first is the one longest unseen, and goes when there are too many.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MOST_KEYS) this.#buckets.delete(this.#buckets.keys().next().value ?? "");
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }
}
