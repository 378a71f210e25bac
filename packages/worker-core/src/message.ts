import type { Msg } from "@nats-io/transport-node";
import { eventIdOf, parseAckReply, replayNumberOf, sha256Hex, stripReplayPrefix } from "@muster/contracts";
import { newEventId } from "./event-id.ts";
import { readHeaders } from "./headers.ts";

/** The group a message was delivered to. */
export interface GroupName {
  readonly stream: string;
  readonly group: string;
}

/**
 * One delivery of a message, as it came from the stream. What costs time (headers, hash, subject) is read when it
 * is first asked for: the common delivery needs little of it.
 */
export class Message {
  /** Where acks are published. */
  readonly reply: string;
  readonly body: Uint8Array;
  readonly sequence: number;
  /** Nanoseconds as text: more digits than a double holds. */
  readonly storeTime: string;
  /** How often the server has handed it out, this time included; not the number of attempts. */
  readonly delivered: number;
  readonly #msg: Msg;
  readonly #of: GroupName;
  #headers: Readonly<Record<string, string>> | undefined;
  #eventId: string | undefined;
  #subject: string | undefined;
  #bodySha256: string | undefined;

  constructor(
    msg: Msg,
    of: GroupName,
    facts: {
      reply: string;
      seq: number;
      storeTime: string;
      delivered: number;
      eventId?: string;
      subject?: string;
    },
  ) {
    this.#msg = msg;
    this.#of = of;
    this.#eventId = facts.eventId;
    this.#subject = facts.subject;
    this.reply = facts.reply;
    this.body = msg.data;
    this.sequence = facts.seq;
    this.storeTime = facts.storeTime;
    this.delivered = facts.delivered;
  }

  /** Of a header given twice, the last value. */
  get headers(): Readonly<Record<string, string>> {
    this.#headers ??= readHeaders(this.#msg).values;
    return this.#headers;
  }

  /** The original subject, without a replay prefix. */
  get subject(): string {
    this.#subject ??= stripReplayPrefix(this.#of.stream, this.#of.group, this.#msg.subject);
    return this.#subject;
  }

  /** The business identity: it survives redelivery, republish and replay. */
  get eventId(): string {
    this.#eventId ??= eventIdOf(this.headers, this.#of.stream, this.sequence, this.storeTime);
    return this.#eventId;
  }

  get bodySha256(): string {
    this.#bodySha256 ??= sha256Hex(this.body);
    return this.#bodySha256;
  }

  get replayNumber(): number {
    return replayNumberOf(this.headers["Muster-Replay-Number"]);
  }
}

/** Reads a delivery; undefined when its reply subject is not an ack subject. */
export function readMessage(msg: Msg, of: GroupName): Message | undefined {
  const reply = msg.reply;
  const facts = reply ? parseAckReply(reply) : undefined;
  return reply && facts ? new Message(msg, of, { ...facts, reply }) : undefined;
}

/** Reads a core message: it has no sequence, and no identity of its own but the one its publisher gave it. */
export function coreMessage(msg: Msg, group: string, subject = msg.subject): Message {
  const headers = readHeaders(msg).values;
  const named = headers["Muster-Event-Id"] || headers["Nats-Msg-Id"];
  const facts = { reply: "", seq: 0, storeTime: storeTimeNow(), delivered: 1 };
  const own = named ? facts : { ...facts, eventId: newEventId() };
  return new Message(msg, { stream: "core", group }, { ...own, subject });
}

let lastStoreTime = 0n;

// Nanoseconds as a stream would give them; two messages of one process never share them.
function storeTimeNow(): string {
  const time = BigInt(Date.now()) * 1_000_000n;
  lastStoreTime = time > lastStoreTime ? time : lastStoreTime + 1n;
  return String(lastStoreTime);
}
