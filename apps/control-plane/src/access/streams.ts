// How many streams one token may hold open.

/** Counts open streams by key, so that one token cannot hold all connections. */
export class StreamLimit {
  readonly #most: number;
  readonly #open = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** What gives the place back, safe to call twice; nothing where the key has too many. */
  take(key: string): (() => void) | undefined {
    const open = this.#open.get(key) ?? 0;
    if (open >= this.#most) return undefined;
    this.#open.set(key, open + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.#open.get(key) ?? 1) - 1;
      if (left === 0) this.#open.delete(key);
      else this.#open.set(key, left);
    };
  }
}

/** The same events, with `end` run when they end or the one who listens leaves. */
export function endingWith<T>(
  events: AsyncIterable<T>,
  end: () => void,
  signal: AbortSignal | undefined,
): AsyncIterable<T> {
  // Whoever left before the first event never asks for it, and the generator never runs.
  if (signal?.aborted === true) end();
  else signal?.addEventListener("abort", end, { once: true });
  return (async function* () {
    try {
      yield* events;
    } finally {
      end();
    }
  })();
}

/** Asks now and then whether somebody may stay. The signal aborts once they may not; `stop` ends the asking. */
export function watchLeave(
  mayStay: () => Promise<boolean>,
  everyMs: number,
): { signal: AbortSignal; stop: () => void } {
  const left = new AbortController();
  const asking = setInterval(() => {
    void mayStay().then((may) => (may ? undefined : left.abort()));
  }, everyMs);
  return { signal: left.signal, stop: () => clearInterval(asking) };
}
