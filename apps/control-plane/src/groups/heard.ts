// When each member was last heard of.

/**
 * Heartbeats go by when the server stored them, not by when they came here: thousands of records that a listener is
 * given at its start come seconds late. What is told is in terms of our own clock.
 */
export class Heard {
  readonly #storedMs = new Map<string, number>();
  readonly #sinceMs: number;
  /** How far our clock is ahead of the server's, the way here included: the least that was seen. */
  #aheadMs = Number.POSITIVE_INFINITY;

  /** Who was not heard of yet counts from `sinceMs`: the record may be on its way. */
  constructor(sinceMs: number = Date.now()) {
    this.#sinceMs = sinceMs;
  }

  /** `storedMs`: by the server's clock. */
  note(key: string, storedMs: number, nowMs: number = Date.now()): void {
    this.#storedMs.set(key, storedMs);
    this.#aheadMs = Math.min(this.#aheadMs, nowMs - storedMs);
  }

  /** Whether it is longer ago than `ms`. */
  isOverdue(key: string, ms: number, nowMs: number = Date.now()): boolean {
    const storedMs = this.#storedMs.get(key);
    const heardMs = storedMs === undefined ? this.#sinceMs : storedMs + this.#aheadMs;
    return heardMs + ms < nowMs;
  }

  /** Forgets all but those. */
  keep(isKept: (key: string) => boolean): void {
    for (const key of this.#storedMs.keys()) if (!isKept(key)) this.#storedMs.delete(key);
  }
}
