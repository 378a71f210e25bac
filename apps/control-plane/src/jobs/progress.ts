// How a job's document moves on: letters are noted before they are sent, and counted afterwards. Pure.
import { replayNumberOf } from "@muster/contracts";
import type { DeadLetter } from "../dead-letters/read.ts";
import type { ReplayOutcome } from "../dead-letters/replay.ts";
import { type Canary, type JobCounts, needsCanaries, type OpenLetter, type ReplayJob } from "./job.ts";

/** A letter that was tried. Not settled: it is tried again. */
export type Tried = { letter: OpenLetter; id: string; outcome: ReplayOutcome; isSettled: boolean };

/** A letter that could not be sent so often is given up, and lies where it lay. */
const MOST_TRIES = 10;
const MOST_SAMPLE = 20;
const MOST_ERROR = 300;
const MOST_NAMES = 3000;

// Not the letter's fault, and over some day: tried for as long as it lasts.
const outages = new Set(["nats_down", "database_down", "no_bucket"]);
// May be over in a moment: a leader that changes, a stream that is full, a member that is busy.
const passing = new Set(["nats_error", "stream_refused", "no_stream", "no_member"]);

/** What came of a letter. `before`: its entry among the open ones, where it is not new. */
export function triedOf({ id, sequences }: DeadLetter, outcome: ReplayOutcome, before?: OpenLetter): Tried {
  const isPassing = outcome.outcome === "failed" && passing.has(outcome.code);
  const tries = (before?.tries ?? 0) + (isPassing ? 1 : 0);
  const isOutage = outcome.outcome === "failed" && outages.has(outcome.code);
  const isSettled = outcome.outcome !== "held" && !isOutage && (!isPassing || tries >= MOST_TRIES);
  return { letter: { sequences: sequences.slice(0, 20), tries }, id, outcome, isSettled };
}

/** An open letter that somebody else's replay, or a discard, has taken meanwhile. */
export function goneSince(letter: OpenLetter): Tried {
  const outcome = { id: "", outcome: "gone", code: "not_found", error: "" } as const;
  return { letter, id: "", outcome, isSettled: true };
}

/** The letters that are sent next, or again, are put down. Noted ones of a killed holder that are gone were sent. */
export function noted(
  job: ReplayJob,
  { letters, again, lastSequence }: { letters: DeadLetter[]; again: DeadLetter[]; lastSequence: number },
): ReplayJob {
  const gone = Math.max(0, (job.window?.letters ?? 0) - letters.length);
  const to = job.window?.to ?? letters.at(-1)?.sequences[0];
  const counts = { ...job.counts, selected: job.counts.selected + gone, gone: job.counts.gone + gone };
  const { window: _, ...rest } = job;
  const isOver = to !== undefined && letters.length === 0;
  const at = job.window?.at ?? letters[0]?.sequences[0];
  return {
    ...rest,
    ...(at === undefined ? {} : { letters_from: job.letters_from ?? at }),
    ...(isOver ? { cursor: to } : {}),
    ...(to === undefined || isOver
      ? {}
      : { window: { to, letters: letters.length, ...(at === undefined ? {} : { at }) } }),
    counts,
    ...(needsCanaries(job) === undefined
      ? {}
      : {
          canaries: withCanaries(job.canaries, [...letters, ...again]),
          canaries_after: job.canaries_after ?? lastSequence,
        }),
  };
}

/** What came of them is counted, and the cursor moves behind those that were tried. */
export function counted(
  job: ReplayJob,
  { letters, again, tried }: { letters: DeadLetter[]; again: DeadLetter[]; tried: readonly Tried[] },
): ReplayJob {
  const isTried = new Set(tried.map(({ letter }) => letter.sequences[0]));
  const left = letters.findIndex(({ sequences }) => !isTried.has(sequences[0]));
  // Stopped in the middle: the rest is read again from there.
  const cursor =
    left === -1 ? (job.window?.to ?? job.cursor) : (letters[left - 1]?.sequences[0] ?? job.cursor);
  const isNew = new Set(letters.map(({ sequences }) => sequences[0]));
  const { window: _, ...rest } = job;
  const sample = tried.filter(
    ({ outcome, isSettled }) => isSettled && "error" in outcome && outcome.id !== "",
  );
  return {
    ...rest,
    cursor,
    counts: tried.reduce(
      (counts, one) => withOne(counts, one, isNew.has(one.letter.sequences[0])),
      job.counts,
    ),
    open: [
      ...job.open.filter(({ sequences }) => !isTried.has(sequences[0])),
      ...tried.filter(({ isSettled }) => !isSettled).map(({ letter }) => letter),
    ],
    sample: [...job.sample, ...sample.map(sampleOf)].slice(0, MOST_SAMPLE),
    canaries:
      needsCanaries(job) === undefined
        ? job.canaries
        : sentCanaries(job.canaries, [...letters, ...again], tried),
  };
}

function withOne(counts: JobCounts, { outcome, isSettled }: Tried, isNew: boolean): JobCounts {
  const next = isNew ? { ...counts, selected: counts.selected + 1 } : counts;
  if (!isSettled) return next;
  switch (outcome.outcome) {
    case "replayed":
      return { ...next, replayed: next.replayed + 1 };
    case "gone":
      return { ...next, gone: next.gone + 1 };
    case "refused":
      return outcome.code === "parked"
        ? { ...next, parked: next.parked + 1 }
        : { ...next, skipped: oneMore(next.skipped, outcome.code) };
    case "failed":
      return { ...next, failed: oneMore(next.failed, outcome.code) };
    default:
      return next;
  }
}

function oneMore(counts: Record<string, number>, code: string): Record<string, number> {
  return { ...counts, [code]: (counts[code] ?? 0) + 1 };
}

function sampleOf({ id, outcome }: Tried): ReplayJob["sample"][number] {
  const { code, error } = "error" in outcome ? outcome : { code: "", error: "" };
  return { id: id.slice(0, MOST_ERROR), code, error: error.slice(0, MOST_ERROR) };
}

function withCanaries(canaries: readonly Canary[], letters: readonly DeadLetter[]): Canary[] {
  const known = new Set(canaries.map(({ id }) => id));
  return [
    ...canaries,
    ...letters
      // A forged name of any length must not swell the document: such a letter is sent, and not watched.
      .filter(({ id, eventId }) => !known.has(id) && id.length + eventId.length <= MOST_NAMES)
      .map(({ id, group, eventId, headers }) => ({
        id,
        group,
        event_id: eventId,
        replay_number: replayNumberOf(headers["Muster-Dlq-Replay-Number"]) + 1,
      })),
  ];
}

/**
 * Sent ones are told where they lie. One that is gone may have been sent by a killed holder, one that is tried again
 * may be sent yet. All others did not go, and others go instead.
 */
function sentCanaries(
  canaries: readonly Canary[],
  letters: readonly DeadLetter[],
  tried: readonly Tried[],
): Canary[] {
  const byId = new Map(tried.map((one) => [one.id, one]));
  const mine = new Set(letters.map(({ id }) => id));
  return canaries.flatMap((canary) => {
    if (!mine.has(canary.id)) return [canary];
    const { outcome, isSettled = true } = byId.get(canary.id) ?? {};
    if (!isSettled || outcome?.outcome === "gone") return [canary];
    if (outcome?.outcome !== "replayed" || !("seq" in outcome)) return [];
    return [
      { ...canary, event_id: outcome.event_id, replay_number: outcome.replay_number, seq: outcome.seq },
    ];
  });
}
