import { parseAckReply } from "@muster/contracts";
import type { NatsConnection } from "@nats-io/transport-node";

/** What a member told the server about one delivery. */
export type Answer = {
  readonly kind: "ack" | "nak" | "term" | "progress";
  readonly seq: number;
  /** Which delivery of the message it is about. */
  readonly delivered: number;
  /** Of a nak that asks for one. */
  readonly delayMs: number | undefined;
};

/** The answers of a group's members, as they pass the server. */
export type Tap = {
  /** All answers so far to one message, in order. */
  of(seq: number): readonly Answer[];
  /** What settled a message, such as `nak 1, ack 2`: the kind and the delivery. */
  story(seq: number): string;
};

/**
 * Listens to the acks of a group, which are ordinary messages: what the group did, seen from outside.
 * Returns when the server has the subscription, so that nothing is missed.
 */
export async function tapAcks(nc: NatsConnection, at: { stream: string; group: string }): Promise<Tap> {
  const answers: Answer[] = [];
  nc.subscribe(`$JS.ACK.${at.stream}.${at.group}.>`, {
    callback: (_, message) => {
      const reply = parseAckReply(message.subject);
      if (reply)
        answers.push({ ...readAnswer(message.string()), seq: reply.seq, delivered: reply.delivered });
    },
  });
  await nc.flush();
  const of = (seq: number): Answer[] => answers.filter((answer) => answer.seq === seq);
  return {
    of,
    story: (seq) =>
      of(seq)
        .filter(({ kind }) => kind !== "progress")
        .map(({ kind, delivered }) => `${kind} ${delivered}`)
        .join(", "),
  };
}

function readAnswer(text: string): Pick<Answer, "kind" | "delayMs"> {
  if (text.startsWith("+ACK")) return { kind: "ack", delayMs: undefined };
  if (text.startsWith("+WPI")) return { kind: "progress", delayMs: undefined };
  if (text.startsWith("+TERM")) return { kind: "term", delayMs: undefined };
  if (!text.startsWith("-NAK")) throw new Error(`an answer the server does not know: ${text}`);
  const options = text.slice("-NAK".length).trim();
  const delayMs = options === "" ? undefined : (JSON.parse(options) as { delay: number }).delay / 1_000_000;
  return { kind: "nak", delayMs };
}
