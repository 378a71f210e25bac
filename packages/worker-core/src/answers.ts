import { createInbox } from "@nats-io/transport-node";
import type { Subscription } from "@nats-io/transport-node";
import type { Connection } from "./connection.ts";
import type { Turn } from "./turn.ts";

const ackText = new TextEncoder().encode("+ACK");
/** Acks in one write at most. */
const mostAtOnce = 256;
/** While more messages are in hand an ack waits so long for company, in milliseconds: each write costs as much as a message. */
const patienceMs = 1;
/** A confirmation that has not come by then will not come: the ack or the answer was lost with a connection. */
const confirmMs = 5000;

/**
 * What a member says of its messages: published to their reply subjects, always by hand, because the clients
 * swallow an ack after a nak. Acks leave together: with the next pull request, at the end of the turn when nothing
 * else is in hand, and within a millisecond in any case.
 */
export class Answers {
  readonly #connection: Connection;
  readonly #turn: Turn;
  readonly #confirms: Confirms | undefined;
  #acks: string[] = [];
  /** Acks that could not be sent; a lost one costs a redelivery, so they wait for the connection. */
  #lateAcks: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly #stopListening: () => void;

  /** `confirmAcks`: ask the server to say that it has each ack. Default: not. */
  constructor(connection: Connection, turn: Turn, { confirmAcks = false } = {}) {
    this.#connection = connection;
    this.#turn = turn;
    this.#confirms = confirmAcks ? new Confirms(connection) : undefined;
    this.#stopListening = connection.onChange((isUp) => {
      if (isUp) {
        const replies = this.#lateAcks;
        this.#lateAcks = [];
        for (const reply of replies) {
          this.#publish(reply, ackText);
        }
      }
    });
  }

  /**
   * Publishes an ack; `isLast`: nothing else is in hand, so nothing is worth waiting for.
   * The promise, where acks are confirmed, resolves when the server has it or cannot say.
   */
  ack(reply: string, isLast: boolean): Promise<void> | undefined {
    if (this.#confirms !== undefined && this.#connection.isUp) {
      return this.#confirms.ack(reply);
    }
    this.#acks.push(reply);
    if (this.#acks.length >= mostAtOnce) {
      this.flush();
    } else if (isLast) {
      this.#turn.atEnd(this.flush);
    } else {
      this.#timer ??= setTimeout(this.flush, patienceMs);
    }
    return undefined;
  }

  /** Publishes an answer that is worth nothing later: while disconnected it is dropped. */
  send(reply: string, text: string): void {
    if (this.#connection.isUp) {
      this.#publish(reply, text);
    }
  }

  /** Publishes the acks that wait. */
  readonly flush = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const replies = this.#acks;
    if (replies.length === 0) {
      return;
    }
    this.#acks = [];
    if (!this.#connection.isUp) {
      this.#lateAcks.push(...replies);
      return;
    }
    for (const reply of replies) {
      this.#publish(reply, ackText);
    }
  };

  close(): void {
    this.flush();
    this.#stopListening();
    this.#confirms?.close();
  }

  #publish(reply: string, payload: string | Uint8Array): void {
    if (!this.#connection.nats.isClosed()) {
      this.#connection.nats.publish(reply, payload);
    }
  }
}

/** Acks that the server answers, over one inbox. */
class Confirms {
  readonly #connection: Connection;
  readonly #inbox = createInbox();
  readonly #subscription: Subscription;
  readonly #waiting = new Map<string, { resolve: () => void; until: number }>();
  readonly #stopListening: () => void;
  #sweep: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#subscription = connection.nats.subscribe(`${this.#inbox}.*`, {
      callback: (error, msg) => (error === null ? this.#end(msg.subject) : undefined),
    });
    this.#stopListening = connection.onChange((isUp) => {
      if (!isUp) {
        this.#endAll();
      }
    });
  }

  ack(reply: string): Promise<void> {
    const own = `${this.#inbox}.${++this.#count}`;
    const confirmed = new Promise<void>((resolve) =>
      this.#waiting.set(own, { resolve, until: performance.now() + confirmMs }),
    );
    this.#connection.nats.publish(reply, ackText, { reply: own });
    this.#sweep ??= setTimeout(this.#endOverdue, confirmMs);
    return confirmed;
  }

  close(): void {
    this.#stopListening();
    this.#endAll();
    if (!this.#connection.nats.isClosed()) {
      this.#subscription.unsubscribe();
    }
  }

  #end(own: string): void {
    const waiting = this.#waiting.get(own);
    this.#waiting.delete(own);
    waiting?.resolve();
  }

  readonly #endOverdue = (): void => {
    for (const [own, { until }] of this.#waiting) {
      if (until > performance.now()) {
        break;
      }
      this.#end(own);
    }
    this.#sweep = this.#waiting.size > 0 ? setTimeout(this.#endOverdue, confirmMs) : undefined;
  };

  #endAll(): void {
    clearTimeout(this.#sweep);
    this.#sweep = undefined;
    for (const own of this.#waiting.keys()) {
      this.#end(own);
    }
  }
}
