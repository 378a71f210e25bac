import type { Context, ContextParts, Handled } from "./context.ts";
import { HandlerContext } from "./context.ts";
import { Deadlines, type Due } from "./deadlines.ts";
import type { HandlerOutcome } from "./metrics.ts";

export type { Context } from "./context.ts";

/** The result becomes the ledger row's; an error is retried unless it is a PermanentError. */
export type Handler<T = unknown> = (message: T, context: Context) => unknown;

/** How a handler ended. */
export type HandleEnd = { type: "returned"; value: unknown } | { type: "threw"; thrown: unknown };

/** Told how a start of the handler went: one of both ends first, the late one perhaps after the deadline. */
export interface RunListener {
  /** The handler ended within its deadline. */
  onEnd(end: HandleEnd): void;
  /** The deadline passed first; the handler still runs. */
  onDeadline(timeoutMs: number): void;
  /** The handler ended after its deadline. */
  onLateEnd(end: HandleEnd): void;
}

/** What starting handlers needs. */
export interface HandlerParts extends ContextParts {
  /** Deadline of a handler in milliseconds, as the spec says at its start. */
  readonly timeoutMs: () => number;
  /** Told how long each took, in milliseconds. */
  readonly onHandled: (ms: number, how: HandlerOutcome) => void;
}

/**
 * Runs handlers with a deadline and an abort signal. A handler that returns at once ends at once: no promise, no
 * timer and no signal is made that nobody asked for.
 */
export class Handlers {
  readonly #parts: HandlerParts;
  readonly #deadlines = new Deadlines();
  readonly #running = new Set<Run>();
  #late = 0;

  constructor(parts: HandlerParts) {
    this.#parts = parts;
  }

  /** Handlers that run, those past their deadline included. */
  get count(): number {
    return this.#running.size;
  }

  /** Handlers that run past their deadline. */
  get lateCount(): number {
    return this.#late;
  }

  /** Starts a handler for a delivery. */
  start<T>(handler: Handler<T>, value: T, delivery: Handled, listener: RunListener): void {
    const context = new HandlerContext(delivery, this.#parts, value);
    this.startCall((own) => handler(value, own), [context], listener);
  }

  /** Starts a call that works on one or several messages, with the context of the first for its signal. */
  startCall(
    call: (context: HandlerContext) => unknown,
    contexts: readonly HandlerContext[],
    listener: RunListener,
  ): void {
    const run = new Run(this.#parts.timeoutMs(), contexts, listener, this.#runs);
    this.#running.add(run);
    this.#deadlines.add(run);
    let end: HandleEnd;
    try {
      // oxlint-disable-next-line typescript/no-non-null-assertion -- a run has at least one message
      const returned = call(contexts[0]!);
      if (isThenable(returned)) {
        returned.then(
          (value) => run.end({ type: "returned", value }),
          (thrown: unknown) => run.end({ type: "threw", thrown }),
        );
        return;
      }
      end = { type: "returned", value: returned };
    } catch (thrown) {
      end = { type: "threw", thrown };
    }
    run.end(end);
  }

  /** Aborts the signals of all handlers that run. */
  abort(reason: Error): void {
    for (const run of this.#running) {
      run.abort(reason);
    }
  }

  close(): void {
    this.#deadlines.close();
  }

  readonly #runs = {
    ended: (run: Run, how: HandleEnd): void => {
      this.#running.delete(run);
      this.#deadlines.delete(run);
      if (run.isLate) {
        this.#late -= 1;
      } else {
        this.#parts.onHandled(
          performance.now() - run.startedAt,
          how.type === "returned" ? "returned" : "failed",
        );
      }
    },
    late: (run: Run): void => {
      this.#late += 1;
      this.#parts.onHandled(performance.now() - run.startedAt, "deadline");
    },
  };
}

/** One start of the handler. */
class Run implements Due {
  readonly startedAt = performance.now();
  readonly dueAt: number;
  isLate = false;
  readonly #timeoutMs: number;
  readonly #contexts: readonly HandlerContext[];
  readonly #listener: RunListener;
  readonly #runs: { ended: (run: Run, how: HandleEnd) => void; late: (run: Run) => void };

  constructor(
    timeoutMs: number,
    contexts: readonly HandlerContext[],
    listener: RunListener,
    runs: { ended: (run: Run, how: HandleEnd) => void; late: (run: Run) => void },
  ) {
    this.#timeoutMs = timeoutMs;
    this.dueAt = this.startedAt + timeoutMs;
    this.#contexts = contexts;
    this.#listener = listener;
    this.#runs = runs;
  }

  end(how: HandleEnd): void {
    this.#runs.ended(this, how);
    if (this.isLate) {
      this.#listener.onLateEnd(how);
    } else {
      this.#listener.onEnd(how);
    }
  }

  onDue(): void {
    // Decided before the abort: a handler that ends because of it has still missed its deadline.
    this.isLate = true;
    this.#runs.late(this);
    this.#listener.onDeadline(this.#timeoutMs);
    this.abort(new DOMException(`handler exceeded ${this.#timeoutMs} ms`, "TimeoutError"));
  }

  abort(reason: Error): void {
    for (const context of this.#contexts) {
      context.abort(reason);
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
