// One reading of a dead-letter stream from its beginning, and what brings it in line with the server again.
import { dlqStream } from "@muster/contracts";
import type { StreamInfo } from "@nats-io/jetstream";
import { getStream } from "../../groups/streams.ts";
import type { Nats } from "../../nats/connection.ts";
import { messageAt } from "../../nats/scan.ts";
import { Feed } from "./feed.ts";
import { GONE, Letters } from "./letters.ts";

/** Deleted sequences that are asked for in one answer (8 MB of JSON); with more of them the stream is read anew. */
const MAX_DELETED = 1_000_000;
/** Looks at the server before a difference is believed: what is deleted meanwhile makes one too. */
const LOOKS = 3;
/** Rows that are looked at to see that the stream is still the same one. */
const TAIL = 16;
const REACH_MS = 3000;

/** `agreed`: as the server was at `at`. `unsure`: they go faster than it looks. `behind`: the end is missing. */
export type Agreement = { type: "agreed"; at: number } | { type: "unsure" | "behind" | "stale" };

/** An index being built or built; it ends with the stream that it has read. */
export class Build {
  readonly letters = new Letters();
  readonly created: string;
  /** Messages there were when it began. */
  readonly of: number;
  /** Resolves when it has read all those; false when it was closed before. */
  readonly ready: Promise<boolean>;
  /** When it had, in milliseconds since 1970; 0 before. */
  readyAt = 0;
  readonly #nats: Nats;
  readonly #stream: string;
  readonly #feed: Feed;
  readonly #closing = new AbortController();
  #connection: string;

  private constructor(nats: Nats, stream: string, info: StreamInfo) {
    this.#nats = nats;
    this.#stream = stream;
    this.created = info.created;
    this.of = info.state.messages;
    this.#connection = connectionOf(nats);
    this.#feed = new Feed(nats, stream, this.letters);
    this.ready = this.#read(info.state.last_seq);
    // Whoever waits hears of it; where nobody does it is no crash.
    this.ready.catch(() => undefined);
  }

  /** Begins to read; throws `no_stream`. */
  static async start(nats: Nats, stream: string): Promise<Build> {
    const info = await getStream(nats, dlqStream(stream));
    return new Build(nats, stream, info);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#feed.close();
  }

  /**
   * Waits for all that is in the stream. `isExact`: also compares with the server and takes out what is gone there:
   * deletes and expiry send no message. `stale`: it is another stream by now, or the index is wrong, and has to be built
   * anew. Throws `no_stream`.
   */
  async agree(isExact: boolean): Promise<Agreement> {
    for (let look = 0; look < LOOKS; look++) {
      const at = Date.now();
      // Of before the question: letters that come while it is under way are no difference.
      const { removals, lastSeq } = this.letters;
      const { created, state } = await getStream(this.#nats, dlqStream(this.#stream));
      if (created !== this.created || state.last_seq < lastSeq) return { type: "stale" };
      if (!(await this.#isSameStream())) return { type: "stale" };
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(REACH_MS)]);
      if (!(await this.#feed.reach(state.last_seq, signal))) return { type: "behind" };
      this.letters.removeBelow(state.first_seq);
      if (!isExact) return { type: "agreed", at };
      const surplus = this.letters.liveUpTo(state.last_seq) - state.messages;
      if (surplus === 0) return { type: "agreed", at };
      if (surplus > 0) {
        if ((state.num_deleted ?? 0) > MAX_DELETED) return { type: "stale" };
        await this.#takeOutDeleted();
      } else if (this.letters.removals === removals && look === LOOKS - 1) {
        // Ours were not deleted in between: there is something that the index does not know.
        return { type: "stale" };
      }
    }
    return { type: "unsure" };
  }

  async #read(lastSeq: number): Promise<boolean> {
    await this.#feed.start();
    const isRead = await this.#feed.reach(lastSeq, this.#closing.signal);
    if (isRead) this.readyAt = Date.now();
    return isRead;
  }

  async #takeOutDeleted(): Promise<void> {
    const { state } = await this.#nats.jsm.streams.info(dlqStream(this.#stream), { deleted_details: true });
    this.letters.removeBelow(state.first_seq);
    for (const seq of state.deleted ?? []) {
      const row = this.letters.rowAt(seq);
      if (row !== -1) this.letters.remove(row);
    }
  }

  /**
   * A server that was killed may have lost its last messages and given their sequences to others. So after each
   * reconnect the last message that both have must be the same.
   */
  async #isSameStream(): Promise<boolean> {
    const connection = connectionOf(this.#nats);
    if (connection === this.#connection) return true;
    const { letters } = this;
    let looked = 0;
    for (let row = letters.size - 1; row >= 0 && looked < TAIL; row--) {
      if (((letters.flags[row] ?? GONE) & GONE) !== 0) continue;
      looked++;
      const message = await messageAt(this.#nats, dlqStream(this.#stream), letters.seqs[row] ?? 0);
      if (message === undefined) continue;
      if (Math.floor(Number(message.storeTime) / 1e6) !== letters.times[row]) return false;
      this.#connection = connection;
      return true;
    }
    if (looked === TAIL) return false;
    this.#connection = connection;
    return true;
  }
}

function connectionOf({ nc }: Nats): string {
  return `${nc.info?.server_id} ${nc.info?.client_id}`;
}
