import { createInbox } from "@nats-io/transport-node";
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { Fifo } from "./fifo.ts";
import { readStatus } from "./headers.ts";
import { notSent, PublishError } from "./publish-error.ts";
import type { Accepted, Item, OutgoingMessage } from "./publish-item.ts";
import { failWithoutStream, settle } from "./publish-item.ts";
import { isConnected, watchStatus } from "./publish-status.ts";
import { failForbidden, failOverdue, failSent, failUnsent, failWaiting } from "./publish-unanswered.ts";

const noResponders = 503;
/** A stream that has just lost its leader, or a server that has just started, has no responders for a moment. */
const triesWithoutResponders = 5;
/** How often, at most, what has waited too long is looked for: one timer for all instead of one for each. */
const longestSweepMs = 250;

/**
 * Publishes over one reply inbox, up to `maxInFlight` at once; what is beyond waits its turn.
 *
 * Nothing is handed to the client while it is disconnected: it would send it whenever it is back, or drop
 * it. A message waits for the connection, and for others before it, as long as something moves within
 * `timeoutMs`; then it fails as `unreachable`, as it does when its answer does not come in that time.
 */
export class PublishPipe {
  readonly #nats: NatsConnection;
  readonly #timeoutMs: number;
  readonly #maxInFlight: number;
  readonly #sweepMs: number;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #stopStatus: () => void;
  readonly #sent = new Map<string, Item>();
  readonly #waiting = new Fifo<Item>();
  /** Had no responders, to be sent again at the next sweep. */
  #again: Item[] = [];
  #wakers: (() => void)[] = [];
  #isUp: boolean;
  /** Why nothing can be published any more. */
  #end: { code: string; why: string } | undefined;
  #count = 0;
  /** When the last answer came. */
  #movedAt = 0;
  #sweep: NodeJS.Timeout | undefined;

  constructor(
    nats: NatsConnection,
    options: { timeoutMs: number; maxInFlight: number; inboxPrefix: string | undefined },
  ) {
    this.#nats = nats;
    this.#timeoutMs = options.timeoutMs;
    this.#maxInFlight = options.maxInFlight;
    this.#sweepMs = Math.min(longestSweepMs, options.timeoutMs / 20);
    this.#inbox = createInbox(options.inboxPrefix);
    this.#isUp = isConnected(nats);
    this.#subscription = nats.subscribe(`${this.#inbox}.*`, {
      callback: (error, msg) => {
        if (error === null) {
          this.#answer(msg);
        } else {
          this.#close("refused", `its answers cannot be received: ${error.message}`);
        }
      },
    });
    this.#stopStatus = watchStatus(nats, {
      onChange: (isUp) => this.#change(isUp),
      onForbidden: (error) => {
        failForbidden(this.#sent, error);
        this.#next();
      },
      onClosed: () => this.#close("unreachable", "the connection is closed"),
    });
  }

  /** Resolves with the stream's answer; rejects with a PublishError. */
  send(message: OutgoingMessage): Promise<Accepted> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(new PublishError(this.#end.code, message, this.#end.why));
        return;
      }
      const queuedAt = performance.now();
      const item: Item = { ...message, resolve, reject, queuedAt, until: 0, tries: 0 };
      if (this.#mayPublish && this.#waiting.length === 0) {
        this.#publish(item);
      } else {
        this.#waiting.push(item);
      }
      this.#sweep ??= setTimeout(this.#onSweep, this.#sweepMs);
    });
  }

  /** Messages under way, those that wait included. */
  get size(): number {
    return this.#sent.size + this.#again.length + this.#waiting.length;
  }

  /** Whether what comes now must wait its turn. */
  get isFull(): boolean {
    return this.size >= this.#maxInFlight;
  }

  /** Resolves when fewer than `maxInFlight` are under way. */
  room(): Promise<void> {
    return this.#until(this.#maxInFlight);
  }

  /** Takes no more, resolves when all that is under way has its answer. */
  async drain(): Promise<void> {
    this.#end ??= { code: "closed", why: "the publisher is closed" };
    await this.#until(1);
    this.#close("closed", "the publisher is closed");
  }

  get #mayPublish(): boolean {
    return this.#isUp && this.#sent.size + this.#again.length < this.#maxInFlight;
  }

  #publish(item: Item): void {
    const reply = `${this.#inbox}.${++this.#count}`;
    item.until ||= this.#dueAt(item);
    item.tries += 1;
    this.#sent.set(reply, item);
    try {
      this.#nats.publish(item.subject, item.body, { reply, headers: item.headers });
    } catch (cause) {
      this.#sent.delete(reply);
      item.reject(notSent(item, `the client did not take it: ${String(cause)}`, { cause }));
    }
  }

  #answer(msg: Msg): void {
    const item = this.#sent.get(msg.subject);
    if (item === undefined) {
      return;
    }
    this.#sent.delete(msg.subject);
    this.#movedAt = performance.now();
    if (msg.data.length === 0 && readStatus(msg) === noResponders) {
      this.#noResponders(item);
    } else {
      settle(item, msg);
    }
    this.#next();
  }

  #noResponders(item: Item): void {
    if (item.tries < triesWithoutResponders) {
      this.#again.push(item);
    } else {
      failWithoutStream(item);
    }
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#mayPublish) {
      const item = this.#waiting.shift();
      if (item !== undefined) {
        this.#publish(item);
      }
    }
    if (this.#wakers.length > 0) {
      const wakers = this.#wakers;
      this.#wakers = [];
      for (const wake of wakers) {
        wake();
      }
    }
  }

  async #until(size: number): Promise<void> {
    while (this.size >= size) {
      await new Promise<void>((resolve) => this.#wakers.push(resolve));
    }
  }

  readonly #onSweep = (): void => {
    const now = performance.now();
    // Before those that were sent: one that took their place now would have no time left for its answer.
    const isOverdue = (item: Item): boolean => now + this.#sweepMs >= this.#dueAt(item);
    const why = this.#isUp ? "no answers" : "not connected";
    failWaiting(this.#waiting, isOverdue, `${why} for ${this.#timeoutMs} ms`);
    failOverdue(this.#sent, now, `no answer in ${this.#timeoutMs} ms`);
    this.#sendAgain(now);
    this.#next();
    this.#sweep = this.size > 0 ? setTimeout(this.#onSweep, this.#sweepMs) : undefined;
  };

  // Counted from its turn: before that it waited for others.
  #dueAt(item: Item): number {
    return Math.max(item.queuedAt, this.#movedAt) + this.#timeoutMs;
  }

  #sendAgain(now: number): void {
    const again = this.#again;
    this.#again = [];
    for (const item of again) {
      if (now >= item.until) {
        failWithoutStream(item);
      } else if (this.#isUp) {
        this.#publish(item);
      } else {
        this.#again.push(item);
      }
    }
  }

  #change(isUp: boolean): void {
    this.#isUp = isUp;
    if (!isUp) {
      failSent(this.#sent, "connection lost");
    }
    this.#next();
  }

  #close(code: string, why: string): void {
    this.#end ??= { code, why };
    this.#isUp = false;
    failSent(this.#sent, why);
    failUnsent([...this.#again, ...this.#waiting.takeAll()], why);
    this.#again = [];
    this.#next();
    clearTimeout(this.#sweep);
    this.#sweep = undefined;
    if (!this.#nats.isClosed() && !this.#subscription.isClosed()) {
      this.#subscription.unsubscribe();
    }
    this.#stopStatus();
  }
}
