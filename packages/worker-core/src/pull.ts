import { createInbox } from "@nats-io/transport-node";
import type { Msg, Subscription } from "@nats-io/transport-node";
import type { Connection } from "./connection.ts";
import type { Logger } from "./log.ts";
import { readHeaders } from "./wire.ts";

/** What the pull asks the worker. */
export interface PullOptions {
  /** Subject of the pull requests. */
  subject: string;
  /** Handlers at once; twice as many messages are held. */
  concurrency: () => number;
  /** Messages in hand, started or not. */
  held: () => number;
  /** False while paused, degraded, draining or without a spec. */
  mayPull: () => boolean;
  onMessage: (msg: Msg) => void;
}

const expiresMs = 5000;
const voidAfterMs = expiresMs + 2000;
const pauseMs = 250;
/** Wait with a small request while much is in hand: one request for many slots instead of one for each. */
const smallRequestMs = 20;

/**
 * Asks for as many messages as there is room for.
 *
 * One request is out at a time: a delivered message does not say which request it answers, so with
 * several a lost credit could not be told from one that is still good.
 */
export class Pull {
  readonly #connection: Connection;
  readonly #options: PullOptions;
  readonly #log: Logger;
  readonly #inbox = createInbox();
  readonly #subscription: Subscription;
  readonly #stopListening: () => void;
  #request: { reply: string; credits: number; timer: NodeJS.Timeout } | undefined;
  #count = 0;
  #maxBatch = Number.POSITIVE_INFINITY;
  #resumeAt = 0;
  #scheduled: { at: number; cancel: () => void } | undefined;
  #isClosed = false;
  #saidStatus = "";

  constructor(connection: Connection, options: PullOptions, log: Logger) {
    this.#connection = connection;
    this.#options = options;
    this.#log = log;
    this.#subscription = connection.nats.subscribe(`${this.#inbox}.*`, {
      callback: (error, msg) => (error === null ? this.#receive(msg) : undefined),
    });
    this.#stopListening = connection.onChange(() => {
      this.#endRequest();
      this.wake();
    });
  }

  /** Looks, soon and once, whether there is room to ask for more. */
  wake(afterMs = 0): void {
    const at = performance.now() + afterMs;
    if (this.#isClosed || (this.#scheduled !== undefined && this.#scheduled.at <= at)) {
      return;
    }
    this.#scheduled?.cancel();
    const run = () => {
      this.#scheduled = undefined;
      this.#ask();
    };
    if (afterMs === 0) {
      const immediate = setImmediate(run);
      this.#scheduled = { at, cancel: () => clearImmediate(immediate) };
    } else {
      const timer = setTimeout(run, afterMs);
      this.#scheduled = { at, cancel: () => clearTimeout(timer) };
    }
  }

  /** Takes what was on its way and ends the subscription. */
  async drain(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#scheduled?.cancel();
    this.#endRequest();
    this.#stopListening();
    if (this.#connection.isUp) {
      // Unsubscribes and flushes: afterwards nothing more can arrive.
      const drained = this.#subscription.drain();
      await Promise.race([drained, this.#connection.flush(2000)]);
    }
  }

  #ask(): void {
    const { concurrency, held, mayPull, subject } = this.#options;
    if (this.#isClosed || this.#request !== undefined || !this.#connection.isUp || !mayPull()) {
      return;
    }
    const wait = this.#resumeAt - performance.now();
    if (wait > 0) {
      this.wake(wait);
      return;
    }
    const room = 2 * concurrency() - held();
    if (room < 1) {
      return;
    }
    if (room < concurrency() / 2 && !this.#isSmallDue()) {
      this.wake(smallRequestMs);
      return;
    }
    this.#smallSince = undefined;
    const credits = Math.min(room, this.#maxBatch);
    const reply = `${this.#inbox}.${++this.#count}`;
    const timer = setTimeout(() => {
      this.#endRequest();
      this.wake();
    }, voidAfterMs);
    this.#request = { reply, credits, timer };
    this.#connection.nats.publish(
      subject,
      JSON.stringify({ batch: credits, expires: expiresMs * 1_000_000 }),
      { reply },
    );
  }

  #smallSince: number | undefined;

  #isSmallDue(): boolean {
    this.#smallSince ??= performance.now();
    return performance.now() - this.#smallSince >= smallRequestMs;
  }

  #receive(msg: Msg): void {
    if (msg.reply?.startsWith("$JS.ACK.")) {
      if (this.#request !== undefined && --this.#request.credits <= 0) {
        this.#endRequest();
      }
      this.#options.onMessage(msg);
      this.wake();
      return;
    }
    const { code, description } = readHeaders(msg);
    if (code === 100 || msg.subject !== this.#request?.reply) {
      return;
    }
    this.#endRequest();
    const maxBatch = /MaxRequestBatch of ([0-9]+)/.exec(description)?.[1];
    if (maxBatch !== undefined) {
      this.#maxBatch = Math.max(1, Number(maxBatch));
    } else if (code !== 404 && code !== 408 && description !== "Batch Completed") {
      this.#resumeAt = performance.now() + pauseMs;
      const status = `${code} ${description}`.trim();
      if (status !== this.#saidStatus) {
        this.#log.warn({ code: "pull_refused", error: status }, "pull refused");
        this.#saidStatus = status;
      }
    } else {
      this.#saidStatus = "";
    }
    this.wake();
  }

  #endRequest(): void {
    clearTimeout(this.#request?.timer);
    this.#request = undefined;
  }
}
