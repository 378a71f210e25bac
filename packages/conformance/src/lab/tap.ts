import { buckets, ledgerKey, parseAckReply } from "@muster/contracts";
import { same } from "../expect.ts";
import { waitFor } from "./wait.ts";
import type { Msg, NatsConnection } from "@nats-io/transport-node";

/** What a member told the server about one delivery. */
export type Answer = {
  readonly kind: "ack" | "nak" | "term" | "progress" | "unknown";
  readonly seq: number;
  /** Which delivery of the message it is about. */
  readonly delivered: number;
  /** Of the message, in ns. */
  readonly storeTime: string;
  /** Of a nak that asks for one, in ms. */
  readonly delayMs: number | undefined;
  /** When it passed, in ms of a monotonic clock. */
  readonly at: number;
};

/** What a group's members published, in the order in which it passed the server. */
export type Tap = {
  /** All answers so far to one message, in order. */
  of(seq: number): readonly Answer[];
  /** What settled a message, such as `nak 1, ack 2`: the kind and the delivery. */
  story(seq: number): string;
  /** Waits until the story of a message is this one. */
  tells(seq: number, story: string): Promise<void>;
  /**
   * Everything about one message but the extensions: `row done`, `record`, `record gone`, `letter`,
   * `ack`, `nak`, `term`.
   */
  order(message: { seq: number; eventId: string }): string[];
};

type Seen = { subject: string; text: string; answer?: Answer };

/**
 * Listens to what the members of a group publish, which are ordinary messages: what the group did,
 * seen from outside. Returns when the server has the subscriptions, so that nothing is missed.
 */
export async function tapGroup(nc: NatsConnection, at: { stream: string; group: string }): Promise<Tap> {
  const { stream, group } = at;
  const ledger = (eventId: string): string => `$KV.${buckets.ledger}.${ledgerKey(stream, group, eventId)}`;
  const seen: Seen[] = [];
  const listen = (subject: string, read: (message: Msg) => Seen): void => {
    nc.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) seen.push(read(message));
      },
    });
  };
  listen(`$JS.ACK.${stream}.${group}.>`, readAnswer);
  listen(`$KV.${buckets.ledger}.${stream}.${group}.>`, readRow);
  listen(`$KV.${buckets.attempts}.${stream}.${group}.>`, readRecord);
  listen(`muster.dlq.${stream}.${group}.>`, readLetter);
  await nc.flush();
  const of = (seq: number): Answer[] => seen.flatMap(({ answer }) => (answer?.seq === seq ? [answer] : []));
  const story = (seq: number): string =>
    of(seq)
      .filter(({ kind }) => kind !== "progress")
      .map(({ kind, delivered }) => `${kind} ${delivered}`)
      .join(", ");
  return {
    of,
    story,
    async tells(seq, wanted) {
      // Longer than the wanted one, it will not become it any more.
      await waitFor(`the story of ${seq}`, () => story(seq).length >= wanted.length).catch(() => undefined);
      same(`the story of message ${seq}`, story(seq), wanted);
    },
    order: ({ seq, eventId }) => {
      const subjects = [
        ledger(eventId),
        `$KV.${buckets.attempts}.${stream}.${group}.${seq}`,
        `letter ${seq}`,
      ];
      return seen
        .filter(({ subject, answer }) => answer?.seq === seq || subjects.includes(subject))
        .filter(({ answer }) => answer?.kind !== "progress")
        .map(({ text }) => text);
    },
  };
}

function readAnswer(message: Msg): Seen {
  const reply = parseAckReply(message.subject);
  const said = readVerb(message.string());
  const seen = { subject: message.subject, text: said.kind };
  if (reply === undefined) return seen;
  const { seq, delivered, storeTime } = reply;
  return { ...seen, answer: { ...said, seq, delivered, storeTime, at: performance.now() } };
}

function readVerb(text: string): Pick<Answer, "kind" | "delayMs"> {
  if (text.startsWith("+ACK")) return { kind: "ack", delayMs: undefined };
  if (text.startsWith("+WPI")) return { kind: "progress", delayMs: undefined };
  if (text.startsWith("+TERM")) return { kind: "term", delayMs: undefined };
  if (!text.startsWith("-NAK")) return { kind: "unknown", delayMs: undefined };
  const { delay } = (parsed(text.slice("-NAK".length)) ?? {}) as { delay?: number };
  return { kind: "nak", delayMs: delay === undefined ? undefined : delay / 1_000_000 };
}

function readRow(message: Msg): Seen {
  const { status } = (parsed(message.string()) ?? {}) as { status?: string };
  return { subject: message.subject, text: `row ${status}` };
}

function readRecord(message: Msg): Seen {
  return { subject: message.subject, text: message.data.length === 0 ? "record gone" : "record" };
}

function readLetter(message: Msg): Seen {
  return { subject: `letter ${message.headers?.get("Muster-Dlq-Seq")}`, text: "letter" };
}

/** What a worker publishes may be anything: a callback that throws would end the connection. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
