// A bucket held in memory and brought up to date whenever it is asked for: with thousands of keys, reading all of them
// for every request would take longer than all else, and a watch alone cannot say what it has missed.
import { JetStreamApiError } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { SharedRun } from "../shared-run.ts";
import { bucketStream, toChange } from "./bucket.ts";
import type { Nats } from "./connection.ts";
import { leaderNext, readBatch, type Stored } from "./scan.ts";

/** A value as it was read, with its revision. */
export type Viewed<T> = { value: T; revision: number };

/** `storedAt`: when, by the server's clock, in ms. */
type Entry<T> = Viewed<T> & { storedAt: number };

const STREAM_NOT_FOUND = 10059;
/** Everything is read anew after so long, in ms: in a bucket that others made, a key may go without a marker. */
const ANEW_MS = 60_000;
/** And when nobody asked for so long: the marker of a record that expired is there for seconds only. */
const GAP_MS = 5000;
/** How often the end is looked for behind more than one batch, where others write as fast as we read. */
const MOST_LOOKS = 100;

/** One bucket of one connection. */
export class BucketView<T> {
  readonly #nats: Nats;
  readonly #bucket: string;
  readonly #parse: (value: Uint8Array) => T | undefined;
  readonly #runs = new SharedRun(() => this.#catchUp());
  #entries = new Map<string, Entry<T>>();
  #upTo = 0;
  #created = "";
  /** By `performance.now()`: when all was read, and when it was last brought up to date. */
  #readAt = 0;
  #caughtUpAt = 0;

  /** `parse` gives undefined for what is no value of the bucket's kind; such a key is left out. */
  constructor(nats: Nats, bucket: string, parse: (value: Uint8Array) => T | undefined) {
    this.#nats = nats;
    this.#bucket = bucket;
    this.#parse = parse;
  }

  /**
   * The keys that have a value, as the server has them now or later; empty where there is no such bucket. Not to be
   * changed, and good until the next turn of the event loop only.
   */
  read(): Promise<ReadonlyMap<string, Viewed<T>>> {
    return this.#runs.next();
  }

  async #catchUp(): Promise<ReadonlyMap<string, Viewed<T>>> {
    const startedAt = performance.now();
    const state = await stateOf(this.#nats, this.#bucket);
    this.#dropExpired(state);
    const isAnother =
      state?.created !== this.#created ||
      state.lastSeq < this.#upTo ||
      // A key that is gone leaves a marker for longer than GAP_MS; fewer keys than we have: it was purged.
      state.keys < this.#entries.size;
    if (isAnother || startedAt - this.#readAt > ANEW_MS || startedAt - this.#caughtUpAt > GAP_MS) {
      this.#entries = new Map();
      this.#upTo = 0;
      this.#created = state?.created ?? "";
      this.#readAt = startedAt;
    }
    if (state !== undefined) await this.#readUpTo(state.lastSeq);
    this.#dropExpired(state);
    this.#caughtUpAt = startedAt;
    return this.#entries;
  }

  /**
   * Reads all up to `last`, and what was written again meanwhile: that lies behind it, and nowhere else any more. What
   * one batch holds was all there at once; behind several the server is asked where the end is now.
   */
  async #readUpTo(last: number): Promise<void> {
    const stream = bucketStream(this.#bucket);
    let [end, batches, looks] = [last, 0, 0];
    while (this.#upTo < end) {
      const { messages, isEnd } = await readBatch(this.#nats, stream, this.#upTo + 1);
      this.#take(messages);
      batches++;
      if (this.#upTo < end && isEnd) {
        // Either what was last is gone, or a replica has answered that lags behind: only the leader knows.
        const next = await leaderNext(this.#nats, stream, this.#upTo + 1);
        if (next === undefined) this.#upTo = end;
        else this.#take([next]);
        // Behind what the replica did not have may be more.
        batches++;
      }
      if (this.#upTo < end || (batches === 1 && isEnd) || ++looks > MOST_LOOKS) continue;
      end = (await stateOf(this.#nats, this.#bucket))?.lastSeq ?? 0;
      batches = 0;
    }
  }

  // What grows too old goes without a word.
  #dropExpired(state: State | undefined): void {
    if (state === undefined || state.ttlMs === 0) return;
    for (const [key, { storedAt }] of this.#entries)
      if (storedAt + state.ttlMs < state.now) this.#entries.delete(key);
  }

  #take(messages: readonly Stored[]): void {
    for (const message of messages) {
      const { key, value, revision } = toChange(this.#bucket, message);
      // What is read stays good when the rest fails: it is read the next time.
      this.#upTo = revision;
      const read = value === undefined ? undefined : this.#parse(value);
      if (read === undefined) this.#entries.delete(key);
      else this.#entries.set(key, { value: read, revision, storedAt: Number(message.storeTime) / 1e6 });
    }
  }
}

/** `keys`: those that have a value or a marker. `now`: by the server's clock, in ms. `ttlMs`: 0, nothing expires. */
type State = { created: string; lastSeq: number; keys: number; ttlMs: number; now: number };

async function stateOf(nats: Nats, bucket: string): Promise<State | undefined> {
  try {
    const { created, state, config, ts } = await nats.jsm.streams.info(bucketStream(bucket));
    const [ttlMs, now] = [config.max_age / 1e6, ts === undefined ? Date.now() : Date.parse(ts)];
    return { created, lastSeq: state.last_seq, keys: state.num_subjects ?? 0, ttlMs, now };
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

/** The views of one bucket, one for each connection, made when it is first asked for. */
export function viewsOf<T>(
  bucket: string,
  parse: (value: Uint8Array) => T | undefined,
): (nats: Nats) => BucketView<T> {
  const views = new WeakMap<NatsConnection, BucketView<T>>();
  return (nats) => {
    const view = views.get(nats.nc) ?? new BucketView(nats, bucket, parse);
    views.set(nats.nc, view);
    return view;
  };
}
