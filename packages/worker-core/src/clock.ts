/** Time by two clocks: the monotonic one stands still while a machine sleeps, the wall clock may be set back. */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function now(): Instant {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}

/** Milliseconds from one instant to another, the larger of both clocks. */
export function gapMs(from: Instant, to: Instant = now()): number {
  return Math.max(to.monotonicMs - from.monotonicMs, to.wallMs - from.wallMs);
}

/** RFC 3339 UTC with milliseconds. */
export function isoTime(wallMs: number = Date.now()): string {
  return new Date(wallMs).toISOString();
}

/** Resolves after the time or when the signal aborts, whichever is first; never rejects. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
