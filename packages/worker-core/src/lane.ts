import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { readHeaders } from "./headers.ts";

/** Told what comes on a lane. */
export interface LaneListener {
  onMessage(msg: Msg): void;
  /** The request has ended with this status. */
  onStatus(code: number, description: string): void;
  /** The request has ended: all of it was delivered, or it is void. */
  onEnd(): void;
}

/** How long a pull request stays at the server; a pause takes hold within that time. */
export const expiresMs = 5000;
/** A request that has not ended by then will not: the server lost it, or its answer was lost. */
const voidAfterMs = expiresMs + 2000;
const expiresNs = expiresMs * 1_000_000;
const idleHeartbeat = 100;

/** One pull request at a time over a subscription of its own, so that its credits can be told from others'. */
export class Lane {
  readonly #nats: NatsConnection;
  readonly #inbox: string;
  readonly #listener: LaneListener;
  readonly #subscription: Subscription;
  /** The reply subject of the request under way. */
  #reply = "";
  #credits = 0;
  #count = 0;
  #voidTimer: NodeJS.Timeout | undefined;

  constructor(nats: NatsConnection, inbox: string, listener: LaneListener) {
    this.#nats = nats;
    this.#inbox = inbox;
    this.#listener = listener;
    this.#subscription = nats.subscribe(`${inbox}.*`, {
      callback: (error, msg) => (error === null ? this.#receive(msg) : undefined),
    });
  }

  /** Messages asked for and not delivered yet; 0: the lane is free. */
  get credits(): number {
    return this.#credits;
  }

  ask(subject: string, batch: number): void {
    this.#reply = `${this.#inbox}.${++this.#count}`;
    this.#credits = batch;
    this.#voidTimer ??= setTimeout(() => this.#onVoid(this.#count), voidAfterMs);
    const request = Buffer.from(`{"batch":${batch},"expires":${expiresNs}}`);
    this.#nats.publish(subject, request, { reply: this.#reply });
  }

  /** Forgets the request under way: its connection is gone. */
  end(): void {
    clearTimeout(this.#voidTimer);
    this.#voidTimer = undefined;
    this.#credits = 0;
    this.#reply = "";
  }

  drain(): Promise<void> {
    this.end();
    return this.#subscription.drain();
  }

  #receive(msg: Msg): void {
    if (msg.reply?.startsWith("$JS.ACK.")) {
      if (this.#credits > 0) {
        this.#credits -= 1;
      }
      this.#listener.onMessage(msg);
      return;
    }
    const { code, description } = readHeaders(msg);
    if (code !== idleHeartbeat && msg.subject === this.#reply) {
      this.end();
      this.#listener.onStatus(code, description);
    }
  }

  // One timer serves many requests: a busy lane would arm and clear one for each otherwise.
  #onVoid(count: number): void {
    this.#voidTimer = undefined;
    if (this.#credits > 0 && count === this.#count) {
      this.end();
      this.#listener.onEnd();
    } else if (this.#credits > 0) {
      const since = this.#count;
      this.#voidTimer = setTimeout(() => this.#onVoid(since), voidAfterMs);
    }
  }
}
