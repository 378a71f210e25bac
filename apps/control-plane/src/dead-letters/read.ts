// Dead letters as they lie in the stream, copies of one put together.
import { archiveFilter, dlqFilter, dlqStream, replayHeaders } from "@muster/contracts";
import type { Nats } from "../nats/connection.ts";
import { toRecord } from "../nats/headers.ts";
import { type Stored, scanStream } from "../nats/scan.ts";

/** A dead letter. What comes from its headers is as untrusted as its body. */
export type DeadLetter = {
  id: string;
  /** Sequences in the dead-letter stream: the first, then its copies. */
  sequences: number[];
  stream: string;
  group: string;
  reason: string;
  /** Sequence and store time of the message it was. */
  seq: number;
  storeTime: string;
  /** When it was stored as a dead letter, in milliseconds since 1970. */
  storedAt: number;
  eventId: string;
  headers: Record<string, string>;
  body: Uint8Array;
};

/** Where a dead letter lies: among those that wait for somebody, or where it was put when it was discarded. */
export type Shelf = "dead" | "archive";

/** What a dead letter is, without what it holds. */
export type DeadLetterFacts = Omit<DeadLetter, "headers" | "body">;

/**
 * The dead letters of a stream in order, each once, with all its copies: read from the stream and not from the index,
 * for an account has to be closed by what is there. Without a stream there are none.
 */
export async function readDeadLetters(
  nats: Nats,
  stream: string,
  group?: string,
  shelf: Shelf = "dead",
): Promise<DeadLetterFacts[]> {
  const found = new Map<string, DeadLetterFacts>();
  const filter = (shelf === "dead" ? dlqFilter : archiveFilter)(stream, group);
  try {
    for await (const message of scanStream(nats, dlqStream(stream), { filter })) {
      const { headers: _, body: __, ...letter } = toDeadLetter(stream, message);
      const first = found.get(letter.id);
      // A copy outlived the dedupe window of the stream; it is the same dead letter.
      if (first === undefined) found.set(letter.id, letter);
      else first.sequences.push(message.seq);
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "no_stream")) throw error;
  }
  return [...found.values()];
}

/** A message of the dead-letter stream as a dead letter; subject before headers, because members may only publish under their own. */
export function toDeadLetter(stream: string, message: Stored): DeadLetter {
  const headers = toRecord(message.headers);
  const [, , , group = "", reason = ""] = message.subject.split(".");
  return {
    id: headers["Muster-Dlq-Id"] ?? headers["Nats-Msg-Id"] ?? `seq.${message.seq}`,
    sequences: [message.seq],
    stream,
    group,
    reason,
    seq: toSequence(headers["Muster-Dlq-Seq"]),
    storeTime: headers["Muster-Dlq-Store-Time"] ?? "0",
    storedAt: Math.floor(Number(message.storeTime) / 1e6),
    eventId: replayHeaders(headers)["Muster-Event-Id"] ?? "",
    headers,
    body: message.data,
  };
}

function toSequence(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0;
}
