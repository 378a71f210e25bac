// The names of the letters of a job, a note for each chunk: a letter that was sent leaves no other trace of its name.
import { buckets } from "@muster/contracts";
import { z } from "zod";
import { asMusterError } from "../errors.ts";
import type { DeadLetter } from "../dead-letters/read.ts";
import { bucketStream, leaderEntry, putEntry, toChange } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { scanStream } from "../nats/scan.ts";
import type { ReplayJob } from "./job.ts";
import type { Tried } from "./progress.ts";

/** A forged name of any length must not swell the note. */
const MOST_NAME = 600;

/** A letter that the job took in hand. Without `outcome` it did not come to say what became of it. */
export const JobLetter = z.object({
  /** Where its first copy lay in the dead-letter stream. */
  dlq_seq: z.int(),
  id: z.string(),
  group: z.string(),
  /** Left out where it is too long. */
  event_id: z.string().optional(),
  /** Of the message that it was. */
  store_time: z.string(),
  outcome: z.enum(["replayed", "gone", "refused", "failed"]).optional(),
  /** Where it went in its stream. */
  seq: z.int().optional(),
  /** The member of a queue group that took it. */
  member: z.string().optional(),
  /** Why it was not sent. */
  code: z.string().optional(),
});
export type JobLetter = z.infer<typeof JobLetter>;

const Note = z.object({ v: z.literal(1), letters: z.array(JobLetter) });

/** A letter before anything became of it. */
export function letterOf({ id, sequences, group, eventId, storeTime }: DeadLetter): JobLetter {
  const isShort = id.length + eventId.length <= MOST_NAME;
  const named = isShort ? { id, event_id: eventId } : { id: id.slice(0, MOST_NAME) };
  return { dlq_seq: sequences[0] ?? 0, ...named, group, store_time: storeTime.slice(0, 30) };
}

/** What a letter takes of a note. */
export function bytesOf(letter: JobLetter): number {
  return Buffer.byteLength(JSON.stringify(letter));
}

/** Writes the notes of a job in hand: before its letters are sent, and when they are counted. */
export class LetterNotes {
  readonly #nats: Nats;
  #note: { key: string; revision: number; letters: JobLetter[] } | undefined;

  constructor(nats: Nats) {
    this.#nats = nats;
  }

  /** Letters that are about to be sent join what a killed holder had noted of the same chunk. */
  async note({ id, window }: ReplayJob, letters: readonly DeadLetter[]): Promise<void> {
    this.#note = undefined;
    if (window?.at === undefined || letters.length === 0) return;
    const key = keyOf(id, window.at);
    await unlessRefused(async () => {
      const entry = await leaderEntry(this.#nats, buckets.jobLetters, key);
      const before = entry?.value === undefined ? [] : lettersIn(entry.value);
      const known = new Set(before.map(({ dlq_seq }) => dlq_seq));
      const added = letters.map(letterOf).filter(({ dlq_seq }) => !known.has(dlq_seq));
      const all = [...before, ...added].toSorted((a, b) => a.dlq_seq - b.dlq_seq);
      await this.#write(key, entry?.revision ?? 0, all);
    });
  }

  /** What became of them. It is only good to know: what is not told here is looked up at the server. */
  async count({ cursor }: ReplayJob, tried: readonly Tried[]): Promise<void> {
    const note = this.#note;
    this.#note = undefined;
    if (note === undefined) return;
    const bySeq = new Map(tried.map((one) => [one.letter.sequences[0], one]));
    const letters = note.letters
      // Stopped in the middle: the rest is noted again.
      .filter(({ dlq_seq }) => dlq_seq <= cursor)
      .map((letter) => ({ ...letter, ...toldOf(bySeq.get(letter.dlq_seq)) }));
    await unlessRefused(() => this.#write(note.key, note.revision, letters)).catch(() => undefined);
  }

  async #write(key: string, revision: number, letters: JobLetter[]): Promise<void> {
    const value = JSON.stringify({ v: 1, letters });
    const written = await putEntry(this.#nats, buckets.jobLetters, key, value, revision);
    if (written !== "conflict") this.#note = { key, revision: written, letters };
  }
}

/** Nothing depends on a note, so a bucket that is gone or takes nothing keeps no letter from being sent. */
async function unlessRefused(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const code = asMusterError(error)?.code;
    if (code !== "no_bucket" && code !== "nats_error") throw error;
  }
}

function toldOf(tried: Tried | undefined): Partial<JobLetter> {
  if (tried?.isSettled !== true) return {};
  const { outcome } = tried;
  switch (outcome.outcome) {
    case "replayed":
      return {
        outcome: "replayed",
        ...("seq" in outcome ? { seq: outcome.seq } : { member: outcome.member }),
      };
    case "gone":
    case "refused":
    case "failed":
      return { outcome: outcome.outcome, code: outcome.code };
    default:
      return {};
  }
}

/** A letter with the revision of its note, from which a later look can go on. */
export type Noted = { letter: JobLetter; revision: number };

/** The letters of a job behind a sequence, in order, from the notes at a revision on. Without the bucket there are none. */
export async function* notedLetters(
  nats: Nats,
  jobId: string,
  { from, after }: { from: number; after: number },
): AsyncGenerator<Noted> {
  const bucket = buckets.jobLetters;
  const options = { from, filter: `$KV.${bucket}.${jobId}.>`, batch: 4, isCertain: true };
  let last = after;
  try {
    for await (const message of scanStream(nats, bucketStream(bucket), options)) {
      const { value, revision } = toChange(bucket, message);
      for (const letter of value === undefined ? [] : lettersIn(value)) {
        if (letter.dlq_seq <= last) continue;
        last = letter.dlq_seq;
        yield { letter, revision };
      }
    }
  } catch (error) {
    if (asMusterError(error)?.code !== "no_stream") throw error;
  }
}

/** Whether the first note of a job is still there. */
export async function hasFirstNote(nats: Nats, { id, letters_from: at }: ReplayJob): Promise<boolean> {
  if (at === undefined) return false;
  try {
    return (await leaderEntry(nats, buckets.jobLetters, keyOf(id, at)))?.value !== undefined;
  } catch (error) {
    if (asMusterError(error)?.code === "no_bucket") return false;
    throw error;
  }
}

function keyOf(jobId: string, at: number): string {
  return `${jobId}.${at}`;
}

function lettersIn(value: Uint8Array): JobLetter[] {
  try {
    return Note.safeParse(JSON.parse(new TextDecoder().decode(value))).data?.letters ?? [];
  } catch {
    return [];
  }
}
