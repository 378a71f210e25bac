import { createInbox, PermissionViolationError } from "@nats-io/transport-node";
import type { Msg, MsgHdrs, NatsConnection, Status, Subscription } from "@nats-io/transport-node";
import { Fifo } from "./fifo.ts";
import { readStatus } from "./headers.ts";
import { readPubAck } from "./pub-ack.ts";
import { notSent, PublishError, refusal, unknownOutcome } from "./publish-error.ts";

/** A message as it goes out. */
export interface OutgoingMessage {
  readonly subject: string;
  readonly eventId: string;
  /** The whole header block. */
  readonly headers: MsgHdrs;
  readonly body: Uint8Array;
}

/** What a stream has accepted. */
export interface Accepted {
  readonly stream: string;
  readonly sequence: number;
  /** The stream had a message of the same `Nats-Msg-Id` already: `sequence` is that one's. */
  readonly duplicate: boolean;
}

interface Item extends OutgoingMessage {
  readonly resolve: (accepted: Accepted) => void;
  readonly reject: (error: PublishError) => void;
  readonly queuedAt: number;
  until: number;
  tries: number;
}

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
  readonly #status: AsyncIterable<Status>;
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
    this.#status = nats.status();
    void this.#watch();
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
      this.#settle(item, msg);
    }
    this.#next();
  }

  #settle(item: Item, msg: Msg): void {
    try {
      const ack = readPubAck(msg);
      if (ack.ok) {
        item.resolve(ack);
      } else {
        item.reject(refusal(item, ack));
      }
    } catch (cause) {
      item.reject(unknownOutcome(item, "the answer is no PubAck", { cause }));
    }
  }

  #noResponders(item: Item): void {
    if (item.tries < triesWithoutResponders) {
      this.#again.push(item);
    } else {
      item.reject(new PublishError("no_stream", item, `no stream takes ${item.subject}`));
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
    this.#failWaiting(now);
    for (const [reply, item] of this.#sent) {
      if (now >= item.until) {
        this.#sent.delete(reply);
        item.reject(unknownOutcome(item, `no answer in ${this.#timeoutMs} ms`));
      }
    }
    this.#sendAgain(now);
    this.#next();
    this.#sweep = this.size > 0 ? setTimeout(this.#onSweep, this.#sweepMs) : undefined;
  };

  // Before those that were sent: one that took their place now would have no time left for its answer.
  #failWaiting(now: number): void {
    for (let item = this.#waiting.peek(); item !== undefined; item = this.#waiting.peek()) {
      if (now + this.#sweepMs < this.#dueAt(item)) {
        break;
      }
      this.#waiting.shift();
      const why = this.#isUp ? "no answers" : "not connected";
      item.reject(notSent(item, `${why} for ${this.#timeoutMs} ms`));
    }
  }

  // Counted from its turn: before that it waited for others.
  #dueAt(item: Item): number {
    return Math.max(item.queuedAt, this.#movedAt) + this.#timeoutMs;
  }

  #sendAgain(now: number): void {
    const again = this.#again;
    this.#again = [];
    for (const item of again) {
      if (now >= item.until) {
        item.reject(new PublishError("no_stream", item, `no stream takes ${item.subject}`));
      } else if (this.#isUp) {
        this.#publish(item);
      } else {
        this.#again.push(item);
      }
    }
  }

  async #watch(): Promise<void> {
    for await (const status of this.#status) {
      if (status.type === "disconnect") {
        this.#isUp = false;
        this.#loseSent("connection lost");
      } else if (status.type === "reconnect") {
        this.#isUp = true;
        this.#next();
      } else if (status.type === "error" && status.error instanceof PermissionViolationError) {
        this.#forbid(status.error);
      }
    }
    this.#close("unreachable", "the connection is closed");
  }

  // Their answers are lost with the connection.
  #loseSent(why: string): void {
    const sent = [...this.#sent.values()];
    this.#sent.clear();
    for (const item of sent) {
      item.reject(unknownOutcome(item, why));
    }
    this.#next();
  }

  // The server does not answer a publish that it does not permit.
  #forbid({ operation, subject, message }: PermissionViolationError): void {
    for (const [reply, item] of this.#sent) {
      if (operation === "publish" && item.subject === subject) {
        this.#sent.delete(reply);
        item.reject(new PublishError("refused", item, message));
      }
    }
    this.#next();
  }

  #close(code: string, why: string): void {
    this.#end ??= { code, why };
    this.#isUp = false;
    this.#loseSent(why);
    for (const item of [...this.#again, ...this.#waiting.takeAll()]) {
      item.reject(notSent(item, why));
    }
    this.#again = [];
    this.#next();
    clearTimeout(this.#sweep);
    this.#sweep = undefined;
    if (!this.#nats.isClosed() && !this.#subscription.isClosed()) {
      this.#subscription.unsubscribe();
    }
    stop(this.#status);
  }
}

// The client's own word, not in its types; there is no event for a connection that is down already.
function isConnected(nats: NatsConnection): boolean {
  const protocol = (nats as { protocol?: { connected?: unknown } }).protocol;
  return protocol?.connected !== false;
}

// The iterator's type has no end; it would stay with the connection.
function stop(status: AsyncIterable<Status>): void {
  if ("stop" in status && typeof status.stop === "function") {
    status.stop();
  }
}
