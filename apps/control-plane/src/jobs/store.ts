// Replay jobs in their bucket: one document a job, each change by compare and set.
import { buckets } from "@muster/contracts";
import { fail } from "../errors.ts";
import { provisionBucket } from "../groups/buckets.ts";
import { deleteEntry, leaderEntry, putEntry } from "../nats/bucket.ts";
import { viewsOf } from "../nats/bucket-view.ts";
import type { Nats } from "../nats/connection.ts";
import { isEnded, ReplayJob } from "./job.ts";

/** A job with the revision it was read at. */
export type StoredJob = { job: ReplayJob; revision: number };

/** So many jobs may be open at once; ended ones are kept, the newest of them. */
const MOST_OPEN_JOBS = 100;
const MOST_ENDED_JOBS = 500;
const TRIES = 10;

/** Puts a new job down, and deletes the oldest ended ones. Throws `too_many_jobs`. */
export async function addJob(nats: Nats, job: ReplayJob, replicas: number): Promise<void> {
  await provisionBucket(nats, buckets.jobs, replicas);
  await provisionBucket(nats, buckets.jobLetters, replicas);
  const jobs = await listJobs(nats);
  if (jobs.filter((other) => !isEnded(other.job)).length >= MOST_OPEN_JOBS)
    throw fail(
      "too_many_jobs",
      `there are ${MOST_OPEN_JOBS} jobs that have not ended; cancel some, or wait until they end`,
    );
  for (const { job: old, revision } of jobs.filter((other) => isEnded(other.job)).slice(MOST_ENDED_JOBS))
    await deleteEntry(nats, buckets.jobs, old.id, revision);
  const stored = await putEntry(nats, buckets.jobs, job.id, JSON.stringify(job), 0);
  if (stored === "conflict")
    throw fail("changed_meanwhile", `there is a job ${job.id} already; create it again`);
}

const view = viewsOf(buckets.jobs, parseJob);

/** All jobs, the newest first; what does not pass the schema is left out. */
export async function listJobs(nats: Nats): Promise<StoredJob[]> {
  const jobs = [...(await view(nats).read()).values()].map(({ value, revision }) => ({
    job: value,
    revision,
  }));
  return jobs.toSorted((a, b) => (a.job.created_at < b.job.created_at ? 1 : -1));
}

/** The job as the leader has it, or nothing: a holder that read an older one would take it for lost. */
export async function findJob(nats: Nats, id: string): Promise<StoredJob | undefined> {
  if (!/^[A-Za-z0-9_-]{1,60}$/.test(id)) return undefined;
  const entry = await leaderEntry(nats, buckets.jobs, id).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "no_bucket") return undefined;
    throw error;
  });
  const job = entry?.value === undefined ? undefined : parseJob(entry.value);
  return job === undefined || entry === undefined ? undefined : { job, revision: entry.revision };
}

/** The job, or error `not_found`. */
export async function getJob(nats: Nats, id: string): Promise<StoredJob> {
  const found = await findJob(nats, id);
  if (found === undefined)
    throw fail("not_found", `there is no job ${id.slice(0, 100)}; \`jobs list\` shows those there are`);
  return found;
}

/** Writes the job over what was read; gives the new revision, or "conflict". */
export async function putJob(nats: Nats, job: ReplayJob, revision: number): Promise<number | "conflict"> {
  return await putEntry(nats, buckets.jobs, job.id, JSON.stringify(job), revision);
}

/** Changes what is there now, as often as others are quicker. Throws `not_found`, `changed_meanwhile`. */
export async function changeJob(
  nats: Nats,
  id: string,
  change: (job: ReplayJob) => ReplayJob,
): Promise<ReplayJob> {
  for (let i = 0; i < TRIES; i++) {
    const { job, revision } = await getJob(nats, id);
    const changed = change(job);
    if (changed === job || (await putJob(nats, changed, revision)) !== "conflict") return changed;
  }
  throw fail("changed_meanwhile", `job ${id} is being changed by others; try again`);
}

/** A job's document; nothing when it is none. */
export function parseJob(value: Uint8Array): ReplayJob | undefined {
  try {
    return ReplayJob.safeParse(JSON.parse(new TextDecoder().decode(value))).data;
  } catch {
    return undefined;
  }
}
