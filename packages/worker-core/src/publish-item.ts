import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import { readPubAck } from "./pub-ack.ts";
import { PublishError, refusal, unknownOutcome } from "./publish-error.ts";

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

/** A message that waits for its turn, or for its answer. */
export interface Item extends OutgoingMessage {
  readonly resolve: (accepted: Accepted) => void;
  readonly reject: (error: PublishError) => void;
  readonly queuedAt: number;
  /** When its answer is overdue; 0 before its turn. */
  until: number;
  tries: number;
}

/** Ends it by what a stream answered. */
export function settle(item: Item, msg: Msg): void {
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

/** Ends it when nobody answers at its subject. */
export function failWithoutStream(item: Item): void {
  item.reject(new PublishError("no_stream", item, `no stream takes ${item.subject}`));
}
