// A bucket held in memory and brought up to date whenever it is asked for: with thousands of keys, reading all of them
// for every request would take longer than all else, and a watch alone cannot say what it has missed.
import { JetStreamApiError } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { SharedRun } from "../shared-run.ts";
import { bucketStream, readChanges } from "./bucket.ts";
import type { Nats } from "./connection.ts";

/** A value as it was read, with its revision. */
export type Viewed<T> = { value: T; revision: number };

const STREAM_NOT_FOUND = 10059;
/** Everything is read anew after so long, in ms: in a bucket that others made, a key may go without a marker. */
const ANEW_MS = 60_000;
/** And when nobody asked for so long: the marker of a record that expired is there for seconds only. */
const GAP_MS = 5000;

/** One bucket of one connection. */
export class BucketView<T> {
  readonly #nats: Nats;
  readonly #bucket: string;
  readonly #parse: (value: Uint8Array) => T | undefined;
  readonly #runs = new SharedRun(() => this.#catchUp());
  #entries = new Map<string, Viewed<T>>();
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
    const isAnother = state?.created !== this.#created || state.lastSeq < this.#upTo;
    if (isAnother || startedAt - this.#readAt > ANEW_MS || startedAt - this.#caughtUpAt > GAP_MS) {
      this.#entries = new Map();
      this.#upTo = 0;
      this.#created = state?.created ?? "";
      this.#readAt = startedAt;
    }
    if (state !== undefined) await this.#readUpTo(state.lastSeq);
    this.#caughtUpAt = startedAt;
    return this.#entries;
  }

  async #readUpTo(last: number): Promise<void> {
    if (last === this.#upTo) return;
    const changes = readChanges(this.#nats, this.#bucket, ">", this.#upTo + 1, last);
    for await (const { key, value, revision } of changes) {
      // What is read stays good when the rest fails: it is read the next time.
      this.#upTo = revision;
      const read = value === undefined ? undefined : this.#parse(value);
      if (read === undefined) this.#entries.delete(key);
      else this.#entries.set(key, { value: read, revision });
    }
    this.#upTo = last;
  }
}

type State = { created: string; lastSeq: number };

async function stateOf(nats: Nats, bucket: string): Promise<State | undefined> {
  try {
    const { created, state } = await nats.jsm.streams.info(bucketStream(bucket));
    return { created, lastSeq: state.last_seq };
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
