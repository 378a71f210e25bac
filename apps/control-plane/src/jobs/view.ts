// A job as operators see it.
import { z } from "zod";
import type { Nats } from "../nats/connection.ts";
import { replayNumberOf } from "@muster/contracts";
import { selectDeadLetters } from "../dead-letters/select.ts";
import { isHeld, ReplayJob } from "./job.ts";

const MOST_COUNTED = 10_000;

/** What became dead since the job was created, by its filter: back from a replay, or new. `more`: not all were counted. */
export const Since = z.object({ came_back: z.int(), new: z.int(), more: z.boolean() });
export type Since = z.infer<typeof Since>;

/** A job without what only its holder needs. */
export const JobView = ReplayJob.omit({
  v: true,
  write: true,
  window: true,
  stream_created: true,
  open: true,
  letters_from: true,
})
  .extend({
    open: z
      .int()
      .describe(
        "Letters that are tried again: another replay holds them, or they could not be sent just now",
      ),
    noted: z.int().describe("Letters that are under way, or were when their control plane was killed"),
    is_held: z.boolean().describe("Whether a control plane works on it now"),
    since: Since.optional(),
  })
  .meta({ id: "Job" });
export type JobView = z.infer<typeof JobView>;

/** The view of a job. */
export function viewOf(job: ReplayJob, nowMs: number = Date.now()): JobView {
  const { v: _, write: __, window, stream_created: ___, letters_from: ____, open, ...rest } = job;
  return { ...rest, open: open.length, noted: window?.letters ?? 0, is_held: isHeld(job, nowMs) };
}

/** Counts the dead letters that came after the job was created. */
export async function countSince(nats: Nats, { stream, filter, until_sequence }: ReplayJob): Promise<Since> {
  const since = { came_back: 0, new: 0, more: false };
  for await (const { headers } of selectDeadLetters(nats, stream, filter, { afterSeq: until_sequence })) {
    if (since.came_back + since.new === MOST_COUNTED) return { ...since, more: true };
    if (replayNumberOf(headers["Muster-Dlq-Replay-Number"]) > 0) since.came_back++;
    else since.new++;
  }
  return since;
}
