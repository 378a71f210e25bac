import { createHash } from "node:crypto";
import type { Msg } from "@nats-io/transport-node";
import { eventIdOf, parseAckReply, replayNumberOf, stripReplayPrefix } from "@muster/contracts";
import { readHeaders } from "./wire.ts";

/** One delivery of a message, as it came from the stream. */
export interface Message {
  /** The original subject, without a replay prefix. */
  readonly subject: string;
  /** Where acks are published. */
  readonly reply: string;
  /** Of a header given twice, the last value. */
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
  readonly bodySha256: string;
  readonly eventId: string;
  readonly sequence: number;
  /** Nanoseconds as text: more digits than a double holds. */
  readonly storeTime: string;
  /** How often the server has handed it out, this time included; not the number of attempts. */
  readonly delivered: number;
  readonly replayNumber: number;
}

/** Reads a delivery; undefined when its reply subject is not an ack subject. */
export function readMessage(msg: Msg, stream: string, group: string): Message | undefined {
  const reply = msg.reply;
  const facts = reply ? parseAckReply(reply) : undefined;
  if (!reply || !facts) {
    return undefined;
  }
  const headers = readHeaders(msg).values;
  return {
    subject: stripReplayPrefix(stream, group, msg.subject),
    reply,
    headers,
    body: msg.data,
    bodySha256: createHash("sha256").update(msg.data).digest("hex"),
    eventId: eventIdOf(headers, stream, facts.seq, facts.storeTime),
    sequence: facts.seq,
    storeTime: facts.storeTime,
    delivered: facts.delivered,
    replayNumber: replayNumberOf(headers["Muster-Replay-Number"]),
  };
}
