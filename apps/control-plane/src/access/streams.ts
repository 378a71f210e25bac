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

/** The same events, with the place given back when they end or the one who listens leaves. */
export function giveBackAfter<T>(
  events: AsyncIterable<T>,
  giveBack: () => void,
  signal: AbortSignal | undefined,
): AsyncIterable<T> {
  // Whoever left before the first event never asks for it, and the generator never runs.
  if (signal?.aborted === true) giveBack();
  else signal?.addEventListener("abort", giveBack, { once: true });
  return (async function* () {
    try {
      yield* events;
    } finally {
      giveBack();
    }
  })();
}
