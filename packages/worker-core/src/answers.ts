import { Confirms } from "./confirms.ts";
import type { Connection } from "./connection.ts";
import type { Turn } from "./turn.ts";

const ackText = "+ACK";
/** Acks in one write at most. */
const mostAtOnce = 256;
/** While more messages are in hand an ack waits so long for company, in milliseconds: each write costs as much as a message. */
const patienceMs = 1;

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
        this.#publishAcks(replies);
      }
    });
  }

  /** Publishes an ack; `isLast`: nothing else is in hand, so nothing is worth waiting for. */
  ack(reply: string, isLast: boolean): void {
    this.#acks.push(reply);
    if (this.#acks.length >= mostAtOnce) {
      this.flush();
      this.#connection.writeNow();
    } else if (isLast) {
      this.#turn.atEnd(this.flush);
    } else {
      this.#timer ??= setTimeout(this.flush, patienceMs);
    }
  }

  /** Where acks are confirmed: those that the server has not answered yet. They keep their place in hand. */
  get unconfirmed(): number {
    return this.#confirms === undefined ? 0 : this.#acks.length + this.#confirms.count;
  }

  /** Calls back when an ack was confirmed, or cannot be any more. */
  onConfirmed(listener: () => void): void {
    this.#confirms?.onEnd(listener);
  }

  /** Resolves when the server has answered the latest ack, or cannot say; undefined where acks are not confirmed. */
  confirmed(): Promise<void> | undefined {
    if (this.#confirms === undefined) {
      return undefined;
    }
    this.flush();
    return this.#confirms.latest();
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
    this.#publishAcks(replies);
  };

  close(): void {
    this.flush();
    this.#stopListening();
    this.#confirms?.close();
  }

  #publish(reply: string, payload: string): void {
    if (!this.#connection.nats.isClosed()) {
      this.#connection.nats.publish(reply, payload);
    }
  }

  #publishAcks(replies: readonly string[]): void {
    if (this.#connection.nats.isClosed() || replies.length === 0) {
      return;
    }
    const answerTo = this.#confirms;
    const commands = replies.map((reply) => ackCommand(answerTo ? `${reply} ${answerTo.add()}` : reply));
    this.#connection.sendText(commands.join(""));
  }
}

/** `subjects`: where it goes, and where the server answers, if it is to. */
function ackCommand(subjects: string): string {
  return `PUB ${subjects} ${ackText.length}\r\n${ackText}\r\n`;
}
