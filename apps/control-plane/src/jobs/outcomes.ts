// The letters of a job and what became of each, a page at a time.
import { dlqStream } from "@muster/contracts";
import { z } from "zod";
import { selectDeadLetters } from "../dead-letters/select.ts";
import { fail } from "../errors.ts";
import { findStream } from "../groups/streams.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import type { ReplayJob } from "./job.ts";
import { hasFirstNote, type JobLetter, letterOf, type Noted, notedLetters } from "./letters.ts";
import { LetterOutcome, outcomesOf } from "./outcome.ts";
import { getJob } from "./store.ts";

/** A page of the letters of a job. */
export const OutcomesQuery = z.strictObject({
  id: z.string().min(1).max(100),
  cursor: z
    .string()
    .regex(/^[0-9]{1,16}-[0-9]{1,16}$/, "must be the next_cursor of a page")
    .optional()
    .describe("The next_cursor of the page before"),
  limit: z.int().min(1).max(500).default(100).describe("At most so many on a page"),
});
export type OutcomesQuery = z.infer<typeof OutcomesQuery>;

/** Without `next_cursor` it is the last one. */
export const JobOutcomes = z
  .strictObject({
    items: z.array(LetterOutcome),
    next_cursor: z.string().optional(),
    is_whole: z
      .boolean()
      .describe("False when the names of letters that the job took in hand are not kept any more: 7 days"),
  })
  .meta({ id: "JobOutcomes" });
export type JobOutcomes = z.infer<typeof JobOutcomes>;

/**
 * First the letters that the job took in hand, then those that it has not come to, each in the order of the dead-letter
 * stream. Throws `not_found`, `bad_cursor`, `nats_down`, `database_down`.
 */
export async function jobOutcomes(
  nats: Nats,
  ledgers: Ledgers,
  { id, cursor = "1-0", limit }: OutcomesQuery,
): Promise<JobOutcomes> {
  const { job } = await getJob(nats, id);
  const [from, after] = placeOf(cursor);
  const [page, is_whole] = await Promise.all([
    lettersFrom(nats, job, { from, after, limit: limit + 1 }),
    job.counts.selected === 0 || hasFirstNote(nats, job),
  ]);
  const shown = page.slice(0, limit);
  const last = shown.at(-1);
  const items = await outcomesOf(
    nats,
    ledgers,
    job,
    shown.map(({ letter }) => letter),
  );
  const isMore = page.length > limit && last !== undefined;
  return {
    items,
    ...(isMore ? { next_cursor: `${last.revision}-${last.letter.dlq_seq}` } : {}),
    is_whole,
  };
}

async function lettersFrom(
  nats: Nats,
  job: ReplayJob,
  { from, after, limit }: { from: number; after: number; limit: number },
): Promise<Noted[]> {
  const found: Noted[] = [];
  let [last, revision] = [after, from];
  for await (const noted of notedLetters(nats, job.id, { from, after })) {
    found.push(noted);
    ({ revision } = noted);
    last = noted.letter.dlq_seq;
    if (found.length === limit) return found;
  }
  for await (const letter of ahead(nats, job, last)) {
    found.push({ letter, revision });
    if (found.length === limit) break;
  }
  return found;
}

/** Letters that the job has not come to; none behind its limit. */
async function* ahead(nats: Nats, job: ReplayJob, after: number): AsyncGenerator<JobLetter> {
  const { stream, filter, limit, counts, cursor, until_sequence, state } = job;
  const reached = Math.max(cursor, job.window?.to ?? 0);
  let room =
    limit === undefined ? Number.POSITIVE_INFINITY : limit - counts.selected - (job.window?.letters ?? 0);
  const info = await findStream(nats, dlqStream(stream));
  if (info?.created !== job.stream_created || state === "done") return;
  // With a limit they are counted from the first one on.
  const afterSeq = limit === undefined ? Math.max(reached, after) : reached;
  for await (const letter of selectDeadLetters(nats, stream, filter, { afterSeq })) {
    const [first = 0] = letter.sequences;
    if (first > until_sequence || --room < 0) return;
    if (first > after) yield letterOf(letter);
  }
}

function placeOf(cursor: string): [number, number] {
  const [from = 0, after = 0] = cursor.split("-").map(Number);
  if (from < 1 || !Number.isSafeInteger(from) || !Number.isSafeInteger(after))
    throw fail("bad_cursor", "this is no next_cursor of a page; begin again without one");
  return [from, after];
}
