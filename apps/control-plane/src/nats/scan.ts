// Reads a stream by sequence without a consumer, because a work queue takes no second one.
import { createInbox, type Msg, type MsgHdrs, RequestError } from "@nats-io/nats-core";
import { JetStreamApiError } from "@nats-io/jetstream";
import { fail } from "../errors.ts";
import type { Nats } from "./connection.ts";
import { storeTimeOf } from "./store-time.ts";

const BATCH = 512;
// Bounds what one batch puts in flight: a server drops a connection that falls too far behind.
const BATCH_BYTES = 8 * 1024 * 1024;
/** Of neighbours: with so many bytes, what a request costs beside them is little. */
const CLOSE_BYTES = 1024 * 1024;
/** The server refuses more than 1,024 in one answer. */
export const MOST_SUBJECTS = 500;
const TIMEOUT_MS = 5000;
const STREAM_NOT_FOUND = 10059;
const NO_MESSAGE_FOUND = 10037;

/** A message as it lies in a stream. */
export type Stored = {
  subject: string;
  seq: number;
  /** When it was stored, in nanoseconds, as text. */
  storeTime: string;
  headers: MsgHdrs | undefined;
  data: Uint8Array;
};

/**
 * Where a scan begins and ends (sequences, both included), one subject filter, messages of one request. `isCertain`:
 * the end is the leader's, for one more request; else a replica that answers may lag behind it.
 */
export type ScanOptions = {
  from?: number;
  upTo?: number;
  filter?: string;
  batch?: number;
  isCertain?: boolean;
};

/**
 * The messages of a stream in order. Messages deleted meanwhile are left out; those that arrive
 * meanwhile are read too, unless `upTo` says otherwise. Throws `no_stream` when it is not there.
 */
export async function* scanStream(
  nats: Nats,
  stream: string,
  options: ScanOptions = {},
): AsyncGenerator<Stored> {
  const { upTo = Number.MAX_SAFE_INTEGER, filter = ">", batch: size = BATCH } = options;
  let next = options.from ?? 1;
  let isDirect = true;
  while (next <= upTo) {
    const batch: Stored[] | "no_direct" = isDirect
      ? await directBatch(nats, stream, batchQuery(next, filter, size))
      : await single(nats, stream, { seq: next, next_by_subj: filter });
    if (batch === "no_direct") {
      // The stream was made by others without direct access (or is not there): one by one, slower.
      isDirect = false;
      continue;
    }
    const rest =
      batch.length > 0 || !isDirect || options.isCertain !== true
        ? batch
        : await single(nats, stream, { seq: next, next_by_subj: filter });
    const last = rest.at(-1);
    if (last === undefined) return;
    for (const message of rest) if (message.seq <= upTo) yield message;
    next = last.seq + 1;
  }
}

/**
 * One request's messages from a sequence on. `isEnd`: there was nothing behind them at that server then. Throws
 * `no_stream` when the stream is not there.
 */
export async function readBatch(
  nats: Nats,
  stream: string,
  from: number,
  filter = ">",
): Promise<{ messages: Stored[]; isEnd: boolean }> {
  const messages = await directBatch(nats, stream, batchQuery(from, filter, BATCH));
  if (messages === "no_direct") {
    const one = await single(nats, stream, { seq: from, next_by_subj: filter });
    return { messages: one, isEnd: one.length === 0 };
  }
  const bytes = messages.reduce((sum, { data }) => sum + data.byteLength, 0);
  // One that the bytes ended is longer than that, where no message is larger than 4 MiB.
  return { messages, isEnd: messages.length < BATCH && bytes < BATCH_BYTES / 2 };
}

/**
 * The message at a sequence, or nothing, which is the leader's word: a replica that answers may not have it yet. One
 * that was just deleted may still be given. Throws `no_stream` when the stream is not there.
 */
export async function messageAt(nats: Nats, stream: string, seq: number): Promise<Stored | undefined> {
  const message = await directGet(nats, stream, seq);
  return message ?? (await leaderMessageAt(nats, stream, seq));
}

/**
 * What one request brings of the messages at these sequences, where at least every second of their range is wanted; else
 * nothing. Those that are missing may be there all the same: {@link messageAt} knows.
 */
export async function closeMessages(
  nats: Nats,
  stream: string,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, Stored>> {
  const [first, last] = [Math.min(...seqs), Math.max(...seqs)];
  const range = last - first + 1;
  if (seqs.length < 2 || range > 2 * seqs.length || range > BATCH) return new Map();
  const found = await directBatch(nats, stream, {
    ...batchQuery(first, ">", range),
    max_bytes: CLOSE_BYTES,
  });
  return found === "no_direct" ? new Map() : new Map(found.map((message) => [message.seq, message]));
}

/** As {@link messageAt}, but never one that was deleted. */
export async function leaderMessageAt(nats: Nats, stream: string, seq: number): Promise<Stored | undefined> {
  return (await single(nats, stream, { seq }))[0];
}

/** The first message at or behind `from` as the leader has it, or nothing. Throws `no_stream`. */
export async function leaderNext(nats: Nats, stream: string, from: number): Promise<Stored | undefined> {
  return (await single(nats, stream, { seq: from, next_by_subj: ">" }))[0];
}

/** The last message of a subject as the leader has it, or nothing. Throws `no_stream`. */
export async function leaderLast(nats: Nats, stream: string, subject: string): Promise<Stored | undefined> {
  return (await single(nats, stream, { last_by_subj: subject }))[0];
}

/**
 * The last messages of many subjects for one request, as any replica has them; at most {@link MOST_SUBJECTS}. Throws
 * `no_stream` when the stream is not there, or knows no direct access.
 */
export async function lastOfMany(nats: Nats, stream: string, subjects: readonly string[]): Promise<Stored[]> {
  const found = await directBatch(nats, stream, { multi_last: subjects });
  if (found === "no_direct") throw fail("no_stream", `stream ${stream} is not there, or not read directly`);
  return found;
}

/** Nothing also where the stream knows no direct access. */
async function directGet(nats: Nats, stream: string, seq: number): Promise<Stored | undefined> {
  try {
    const subject = `$JS.API.DIRECT.GET.${stream}`;
    const message = await nats.nc.request(subject, JSON.stringify({ seq }), { timeout: TIMEOUT_MS });
    if (message.headers?.last("Nats-Sequence")) return fromDirect(message);
    const code = message.headers?.code ?? 0;
    if (code === 404) return undefined;
    throw fail(
      "nats_error",
      `reading ${seq} of stream ${stream} failed: ${code} ${message.headers?.description ?? ""}`,
    );
  } catch (error) {
    if (error instanceof RequestError && error.isNoResponders()) return undefined;
    throw error;
  }
}

type BatchQuery =
  | { seq: number; batch: number; max_bytes: number; next_by_subj: string }
  | { multi_last: readonly string[] };

function batchQuery(seq: number, filter: string, batch: number): BatchQuery {
  return { seq, batch, max_bytes: BATCH_BYTES, next_by_subj: filter };
}

function directBatch(nats: Nats, stream: string, query: BatchQuery): Promise<Stored[] | "no_direct"> {
  return new Promise((resolve, reject) => {
    const found: Stored[] = [];
    const inbox = createInbox(nats.inboxPrefix);
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      subscription.unsubscribe();
      settle();
    };
    const timedOut = () =>
      finish(() => reject(fail("nats_down", `reading stream ${stream} got no answer in ${TIMEOUT_MS} ms`)));
    const timer = setTimeout(timedOut, TIMEOUT_MS);
    const subscription = nats.nc.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) return finish(() => reject(error));
        // A stored message could carry a status line of its own; only the server's has no sequence.
        if (message.headers?.last("Nats-Sequence")) {
          timer.refresh();
          found.push(fromDirect(message));
          return;
        }
        const code = message.headers?.code ?? 0;
        if (code === 204 || code === 404) return finish(() => resolve(found));
        if (code === 503) return finish(() => resolve("no_direct"));
        finish(() =>
          reject(
            fail(
              "nats_error",
              `reading stream ${stream} failed: ${code} ${message.headers?.description ?? ""}`,
            ),
          ),
        );
      },
    });
    nats.nc.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(query), { reply: inbox });
  });
}

async function single(
  nats: Nats,
  stream: string,
  // The server knows next_by_subj here too; only the client's type does not.
  query: { seq: number; next_by_subj?: string } | { last_by_subj: string },
): Promise<Stored[]> {
  try {
    const message = await nats.jsm.streams.getMessage(stream, query);
    if (message === null) return [];
    const storeTime = storeTimeOf(message.timestamp);
    return [
      { subject: message.subject, seq: message.seq, storeTime, headers: message.header, data: message.data },
    ];
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NO_MESSAGE_FOUND) return [];
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) {
      throw fail("no_stream", `stream ${stream} is not there`, error);
    }
    throw error;
  }
}

function fromDirect(message: Msg): Stored {
  const headers = message.headers;
  return {
    subject: headers?.last("Nats-Subject") ?? "",
    seq: Number(headers?.last("Nats-Sequence")),
    storeTime: storeTimeOf(headers?.last("Nats-Time-Stamp") ?? ""),
    headers,
    data: message.data,
  };
}
