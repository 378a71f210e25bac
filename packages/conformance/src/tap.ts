import { parseAckReply } from "@muster/contracts";
import type { NatsConnection } from "@nats-io/transport-node";

/** What a member told the server about one delivery. */
export interface Answer {
  readonly kind: "ack" | "nak" | "term" | "progress";
  readonly seq: number;
  /** Which delivery of the message it is about. */
  readonly delivered: number;
  /** Of a nak that asks for one. */
  readonly delayMs: number | undefined;
  readonly atMs: number;
}

/**
 * Listens to the acks of a group, which are ordinary messages, as they pass the server.
 * The server takes them in the same order, so this is what the group did, seen from outside.
 */
export class Tap {
  readonly #answers: Answer[] = [];

  constructor(nc: NatsConnection, stream: string, group: string) {
    nc.subscribe(`$JS.ACK.${stream}.${group}.>`, {
      callback: (_, message) => {
        const reply = parseAckReply(message.subject);
        if (reply) this.#answers.push({ ...readAnswer(message.string()), seq: reply.seq, delivered: reply.delivered, atMs: performance.now() });
      },
    });
  }

  /** All answers so far but extensions. */
  get settled(): readonly Answer[] {
    return this.#answers.filter((answer) => answer.kind !== "progress");
  }

  /** All answers so far to one message, in order. */
  of(seq: number): readonly Answer[] {
    return this.#answers.filter((answer) => answer.seq === seq);
  }

  /** As text such as `nak 1, ack 2`: kind and delivery of what settled a message. */
  story(seq: number): string {
    const told = this.settled.filter((answer) => answer.seq === seq);
    return told.map((answer) => `${answer.kind} ${answer.delivered}`).join(", ");
  }
}

function readAnswer(text: string): Pick<Answer, "kind" | "delayMs"> {
  if (text === "" || text.startsWith("+ACK")) return { kind: "ack", delayMs: undefined };
  if (text.startsWith("+WPI")) return { kind: "progress", delayMs: undefined };
  if (text.startsWith("+TERM")) return { kind: "term", delayMs: undefined };
  if (!text.startsWith("-NAK")) throw new Error(`an answer the server does not know: ${text}`);
  const options = text.slice(4).trim();
  const delay = options === "" ? undefined : (JSON.parse(options) as { delay: number }).delay / 1_000_000;
  return { kind: "nak", delayMs: delay };
}
