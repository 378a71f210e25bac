import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "./log.ts";
import type { Delivery } from "./settle.ts";
import type { Stats } from "./stats.ts";

/** What a handler is told beside its order. */
export interface Context {
  readonly eventId: string;
  /** 1 at the first time. */
  readonly attempt: number;
  /** The original subject, also in a replay. */
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Aborts at the deadline and when the process is forced to stop. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** For requests of the handler's own. */
  readonly nats: NatsConnection;
}

/** The result becomes the ledger row's; an error is retried unless it is a PermanentError. */
export type Handler<T = unknown> = (order: T, context: Context) => unknown;

/** How a handler ended within its deadline, or that it did not. */
export type HandleEnd = LateEnd | { type: "deadline"; timeoutMs: number };

export type LateEnd = { type: "returned"; value: unknown } | { type: "threw"; thrown: unknown };

/** A handler that runs: `end` comes at the deadline at the latest, `late` when it really ends. */
export interface HandleRun {
  readonly end: Promise<HandleEnd>;
  readonly late: Promise<LateEnd>;
}

export type Handle = (delivery: Delivery, value: unknown) => HandleRun;

/** Runs handlers with a deadline and an abort signal. */
export class Handlers {
  readonly #handler: Handler<never>;
  readonly #parts: { nats: NatsConnection; log: Logger; stats: Stats; timeoutMs: () => number };
  readonly #running = new Set<AbortController>();

  constructor(
    handler: Handler<never>,
    parts: { nats: NatsConnection; log: Logger; stats: Stats; timeoutMs: () => number },
  ) {
    this.#handler = handler;
    this.#parts = parts;
  }

  /** Handlers that run, those past their deadline included. */
  get count(): number {
    return this.#running.size;
  }

  readonly handle: Handle = (delivery, value) => {
    const { stats, timeoutMs } = this.#parts;
    const controller = new AbortController();
    const startedAt = performance.now();
    this.#running.add(controller);
    const late = this.#call(delivery, value, controller.signal).then((end) => {
      stats.observe(performance.now() - startedAt);
      this.#running.delete(controller);
      return end;
    });
    return { late, end: withDeadline(late, timeoutMs(), controller) };
  };

  /** Aborts the signals of all handlers that run. */
  abort(reason: Error): void {
    for (const controller of this.#running) {
      controller.abort(reason);
    }
  }

  async #call(delivery: Delivery, value: unknown, signal: AbortSignal): Promise<LateEnd> {
    const { message } = delivery.held;
    const { nats, log } = this.#parts;
    const context: Context = {
      eventId: message.eventId,
      attempt: delivery.attempt,
      subject: message.subject,
      headers: message.headers,
      signal,
      log: log.child({ seq: message.sequence, event_id: message.eventId, attempt: delivery.attempt }),
      nats,
    };
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the JSON Schema has judged the value
      return { type: "returned", value: await this.#handler(value as never, context) };
    } catch (thrown) {
      return { type: "threw", thrown };
    }
  }
}

async function withDeadline(
  late: Promise<LateEnd>,
  timeoutMs: number,
  controller: AbortController,
): Promise<HandleEnd> {
  const deadline = Promise.withResolvers<HandleEnd>();
  const timer = setTimeout(() => {
    // Decided before the abort: a handler that ends because of it has still missed its deadline.
    deadline.resolve({ type: "deadline", timeoutMs });
    controller.abort(new DOMException(`handler exceeded ${timeoutMs} ms`, "TimeoutError"));
  }, timeoutMs);
  const end = await Promise.race([deadline.promise, late]);
  clearTimeout(timer);
  return end;
}
