// What operators do with jobs: create, look, pause, resume, cancel. Whoever has the job in hand notices.
import { randomBytes } from "node:crypto";
import { checkName, dlqStream } from "@muster/contracts";
import type { Actor } from "../access/roles.ts";
import { createTargets } from "../dead-letters/target.ts";
import { fail } from "../errors.ts";
import { getStream } from "../groups/streams.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import { isEnded, type JobInput, type ReplayJob } from "./job.ts";
import { addJob, changeJob } from "./store.ts";

/**
 * Puts a job down; a control plane takes it within a second. It is about the dead letters that lie there now. Throws
 * `no_stream`, `no_group` where the filter names a group that is not there, `no_canary`, `too_many_jobs`.
 */
export async function createJob(
  nats: Nats,
  ledgers: Ledgers,
  input: JobInput,
  { id, name }: Actor,
): Promise<ReplayJob> {
  const { stream, filter } = input;
  checkName("stream", stream);
  const { created, state, config } = await getStream(nats, dlqStream(stream));
  if (filter.group !== undefined) {
    checkName("group", filter.group);
    await createTargets(nats, ledgers, stream)(filter.group);
  }
  if (input.canary !== undefined && stream === "core")
    throw fail(
      "no_canary",
      "a queue group leaves no trace of what it has done, so nothing tells whether a canary lives; create the job without one, with a limit or a rate",
    );
  const now = new Date().toISOString();
  const job: ReplayJob = {
    v: 1,
    id: newId(),
    ...input,
    created_at: now,
    created_by: { id, name },
    until_sequence: state.last_seq,
    stream_created: created,
    state: "running",
    cursor: 0,
    open: [],
    counts: { selected: 0, replayed: 0, parked: 0, gone: 0, skipped: {}, failed: {} },
    canaries: [],
    canary_passed: false,
    sample: [],
    updated_at: now,
  };
  await addJob(nats, job, config.num_replicas);
  return job;
}

/** No further letter is begun; those under way are finished. */
export async function pauseJob(nats: Nats, id: string): Promise<ReplayJob> {
  return await changeJob(nats, id, (job) => {
    if (job.state === "paused") return job;
    return { ...open(job, "paused"), state: "paused", updated_at: new Date().toISOString() };
  });
}

/** Goes on behind the last letter that was dealt with. */
export async function resumeJob(nats: Nats, id: string): Promise<ReplayJob> {
  return await changeJob(nats, id, (job) => {
    if (open(job, "resumed").state !== "paused") return job;
    return { ...job, state: "running", updated_at: new Date().toISOString() };
  });
}

/** Ends it for good. What was sent is sent; everything else lies where it lay. */
export async function cancelJob(nats: Nats, id: string): Promise<ReplayJob> {
  return await changeJob(nats, id, (job) => {
    if (job.state === "cancelled") return job;
    const now = new Date().toISOString();
    return { ...open(job, "cancelled"), state: "cancelled", updated_at: now, ended_at: now };
  });
}

function open(job: ReplayJob, what: string): ReplayJob {
  if (!isEnded(job)) return job;
  throw fail(
    "job_ended",
    `job ${job.id} has ended (${job.state}) and cannot be ${what}; create another one for what is left`,
  );
}

/** Sorts by time as text. */
function newId(): string {
  return `${Date.now().toString(36)}-${randomBytes(4).toString("hex")}`;
}
