import type { Instant } from "./clock.ts";
import { gapMs, now } from "./clock.ts";
import type { Answers } from "./answers.ts";
import type { Connection } from "./connection.ts";
import type { Logger } from "./log.ts";
import type { Message } from "./message.ts";

/** A message in hand, from its receipt until it is settled. */
export interface Held {
  readonly message: Message;
  /** By `performance.now()`. */
  readonly receivedAt: number;
  /** When the server last surely knew that we have it. */
  lastExtension: Instant;
  /** Settled, given back or lost: it is not kept in progress any more. */
  isReleased: boolean;
  /** Settled or given back: no second answer but an ack may be sent. */
  isAnswered: boolean;
}

/**
 * Keeps the messages in hand in progress, and lets only those be answered that are still ours.
 *
 * A message whose last extension is longer ago than ack_wait may already be with another member:
 * an answer to it would disturb that one, so only the ack of a finished message is still sent.
 */
export class Hold {
  readonly #connection: Connection;
  readonly #answers: Answers;
  readonly #log: Logger;
  readonly #ackWaitMs: () => number;
  readonly #held = new Set<Held>();
  #ticks: [Instant, Instant];
  #tickTimer: NodeJS.Timeout | undefined;
  #extendTimer: NodeJS.Timeout | undefined;
  #armedForMs: number;
  #isExtending = false;
  #isClosed = false;
  #onFresh: () => void = () => undefined;
  readonly #stopListening: () => void;

  constructor(parts: { connection: Connection; answers: Answers; ackWaitMs: () => number; log: Logger }) {
    this.#connection = parts.connection;
    this.#answers = parts.answers;
    this.#ackWaitMs = parts.ackWaitMs;
    this.#log = parts.log;
    this.#ticks = [now(), now()];
    this.#armedForMs = parts.ackWaitMs();
    this.#tick();
    this.#scheduleExtension();
    this.#stopListening = parts.connection.onChange((isUp) => {
      if (isUp) {
        void this.#extend();
      }
    });
  }

  /** Sets the timers anew when ack_wait has changed: those of a long one would come too late for a short one. */
  adjust(): void {
    if (this.#isClosed || this.#armedForMs === this.#ackWaitMs()) {
      return;
    }
    this.#armedForMs = this.#ackWaitMs();
    clearTimeout(this.#tickTimer);
    clearTimeout(this.#extendTimer);
    this.#ticks = [now(), now()];
    this.#tick();
    this.#scheduleExtension();
    void this.#extend();
  }

  /** Takes a message in hand. What waited in the socket of a stopped process must not look fresh: hence the tick before last. */
  add(message: Message): Held {
    const held: Held = {
      message,
      receivedAt: performance.now(),
      lastExtension: this.#ticks[0],
      isReleased: false,
      isAnswered: false,
    };
    this.#held.add(held);
    return held;
  }

  /**
   * False when this process was stopped a moment ago, or could not keep up: what comes now does not look fresh, and
   * nothing more is to be asked for. It would be lost at once, make room for more, and come again after ack_wait.
   */
  get isFresh(): boolean {
    return gapMs(this.#ticks[0]) <= this.#ackWaitMs() / 2;
  }

  /** Calls back when `isFresh` has become true again. */
  onFresh(listener: () => void): void {
    this.#onFresh = listener;
  }

  /** True while no other member can have the message. */
  isOurs(held: Held): boolean {
    if (!held.isReleased && gapMs(held.lastExtension) > this.#ackWaitMs()) {
      const { sequence: seq, eventId: event_id, delivered: delivery } = held.message;
      this.#log.warn({ seq, event_id, delivery, code: "lost" }, "lost");
      this.release(held);
    }
    return !held.isReleased;
  }

  /** The message is finished: always sent. */
  ack(held: Held): void {
    this.release(held);
    held.isAnswered = true;
    this.#answers.ack(held.message.reply, this.#held.size === 0);
  }

  /** As `ack`; resolves when the server has it, where acks are confirmed. */
  ackConfirmed(held: Held): Promise<void> | undefined {
    this.ack(held);
    return this.#answers.confirmed();
  }

  /** Sends the acks that still wait for company: what is cleaned up after them must not overtake them. */
  sendAcks(): void {
    this.#answers.flush();
  }

  /** Gives the message back, for any member, after the delay. */
  nak(held: Held, delayMs?: number): void {
    this.#answer(held, delayMs === undefined ? "-NAK" : `-NAK {"delay":${Math.round(delayMs * 1_000_000)}}`);
  }

  /** Removes the message for good. */
  term(held: Held, reason: string): void {
    this.#answer(held, `+TERM ${reason}`);
  }

  /** Ends the extensions without an answer. */
  release(held: Held): void {
    held.isReleased = true;
    this.#held.delete(held);
  }

  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    clearTimeout(this.#tickTimer);
    clearTimeout(this.#extendTimer);
  }

  #answer(held: Held, text: string): void {
    // While disconnected nothing is sent: the client would send it when it is back, when it is stale.
    if (!held.isAnswered && this.isOurs(held)) {
      this.#answers.send(held.message.reply, text);
    }
    held.isAnswered = true;
    this.release(held);
  }

  async #extend(): Promise<void> {
    if (this.#isExtending || this.#held.size === 0 || !this.#connection.isUp) {
      return;
    }
    this.#isExtending = true;
    const before = now();
    const extended: Held[] = [];
    for (const held of this.#held) {
      if (this.isOurs(held)) {
        this.#answers.send(held.message.reply, "+WPI");
        extended.push(held);
      }
    }
    // Without the flush an extension may sit in a dead socket: it does not count until the server has it.
    if (await this.#connection.flush(this.#ackWaitMs())) {
      for (const held of extended) {
        held.lastExtension = before;
      }
    }
    this.#isExtending = false;
  }

  #tick(): void {
    const wasFresh = this.isFresh;
    this.#ticks = [this.#ticks[1], now()];
    if (!wasFresh && this.isFresh) {
      this.#onFresh();
    }
    this.#tickTimer = setTimeout(() => this.#tick(), Math.max(10, this.#ackWaitMs() / 10));
  }

  #scheduleExtension(): void {
    this.#extendTimer = setTimeout(
      () => {
        void this.#extend();
        this.#scheduleExtension();
      },
      Math.max(10, this.#ackWaitMs() / 3),
    );
  }
}
