import { availableParallelism, loadavg } from "node:os";

const everyMs = 50;
/** A timer so late, in ms, that a worker may have been as late with an extension. */
const lateMs = 250;
/** Processes that want to run, for each core. */
const crowded = 4;

/** Tells whether the machine was too busy for a scenario's times to mean anything. */
export type BusyWatch = {
  /** Whether it was, since this moment of the monotonic clock. */
  since(began: number): boolean;
  [Symbol.dispose](): void;
};

/** Watches the machine by the lateness of a timer of our own, and by its load. */
export function watchBusy(): BusyWatch {
  let lastLate = Number.NEGATIVE_INFINITY;
  let due = performance.now() + everyMs;
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - due > lateMs) lastLate = now;
    due = now + everyMs;
  }, everyMs);
  timer.unref();
  return {
    since: (began) => lastLate >= began || (loadavg()[0] ?? 0) / availableParallelism() > crowded,
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
