// The next letters of a job: so many as are sent between two writes of its document.
import { dlqStream } from "@muster/contracts";
import { type DeadLetter, toDeadLetter } from "../dead-letters/read.ts";
import { selectDeadLetters } from "../dead-letters/select.ts";
import type { Nats } from "../nats/connection.ts";
import { messageAt } from "../nats/scan.ts";
import { needsCanaries, type ReplayJob } from "./job.ts";
import { bytesOf, letterOf } from "./letters.ts";
import { goneSince, type Tried } from "./progress.ts";

const MOST_LETTERS = 1000;
// Bounds what a job holds in memory: a chunk may be one letter longer.
const MOST_BYTES = 8 * 1024 * 1024;
// Bounds the note of their names, which has to fit into a message.
const MOST_NAMES = 256 * 1024;
/** So many open letters are tried again at a time; while there are more, no others are read. */
const MOST_AGAIN = 200;

/** Letters that are new to the job, open ones that are tried again, open ones that are gone. */
export type Chunk = { letters: DeadLetter[]; again: DeadLetter[]; gone: Tried[] };

/** Reads the letters of a job from its cursor on, those that lay there when it was created. */
export class Chunks {
  readonly #nats: Nats;
  readonly #letters: AsyncGenerator<DeadLetter>;
  #ahead: DeadLetter | undefined;

  constructor(nats: Nats, { stream, filter, cursor }: ReplayJob) {
    this.#nats = nats;
    this.#letters = selectDeadLetters(nats, stream, filter, { afterSeq: cursor });
  }

  /** What to do next. `isDue`: open letters are tried again; without, only when there are no others. */
  async next(job: ReplayJob, isDue: boolean): Promise<Chunk> {
    const canaries = needsCanaries(job) ?? Number.POSITIVE_INFINITY;
    // What a killed holder had noted is dealt with before anything else is read.
    if (job.window !== undefined) {
      return { letters: await this.#read(Number.POSITIVE_INFINITY, job.window.to), again: [], gone: [] };
    }
    const { limit, rate_per_second: rate, counts, until_sequence, open } = job;
    const room = Math.min(
      MOST_LETTERS,
      canaries,
      limit === undefined ? MOST_LETTERS : limit - counts.selected,
      rate === undefined ? MOST_LETTERS : Math.ceil(rate),
    );
    const letters = open.length >= MOST_AGAIN ? [] : await this.#read(room, until_sequence);
    if (letters.length > 0 && !isDue) return { letters, again: [], gone: [] };
    return { letters, ...(await this.#again(job)) };
  }

  async #read(most: number, upTo: number): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = [];
    let [bytes, names] = [0, 0];
    const isFull = () => bytes >= MOST_BYTES || names >= MOST_NAMES;
    while (letters.length < most && (most === Number.POSITIVE_INFINITY || !isFull())) {
      this.#ahead ??= (await this.#letters.next()).value as DeadLetter | undefined;
      if (this.#ahead === undefined || firstOf(this.#ahead) > upTo) break;
      letters.push(this.#ahead);
      bytes += this.#ahead.body.byteLength;
      names += bytesOf(letterOf(this.#ahead));
      this.#ahead = undefined;
    }
    return letters;
  }

  async #again({ stream, open }: ReplayJob): Promise<Pick<Chunk, "again" | "gone">> {
    const again: DeadLetter[] = [];
    const gone: Tried[] = [];
    for (const one of open.slice(0, MOST_AGAIN)) {
      const message = await messageAt(this.#nats, dlqStream(stream), firstOf(one));
      if (message === undefined) gone.push(goneSince(one));
      else again.push({ ...toDeadLetter(stream, message), sequences: one.sequences });
    }
    return { again, gone };
  }
}

/** Where the first copy of a letter lies. */
export function firstOf({ sequences }: { readonly sequences: readonly number[] }): number {
  return sequences[0] ?? 0;
}
