// The buckets behind every group, made once, the same for all.
import { ATTEMPTS_TTL_MS, buckets, MEMBER_TTL_MS } from "@muster/contracts";
import type { StreamConfig } from "@nats-io/jetstream";
import { fail } from "../errors.ts";
import { bucketStream } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { AUDIT, TOKENS } from "../access/store.ts";
import { type Change, mark, moreReplicas, ns } from "./change.ts";
import { differencesBetween, type PlannedChange } from "./plan-change.ts";
import type { Snapshot } from "./snapshot.ts";
import { createStream, findStream, updateStream } from "./streams.ts";

type Bucket = {
  name: string;
  history: number;
  ttlMs: number;
  /** Whether a write may say how long it is kept. */
  hasTtlPerKey: boolean;
};

/** How long it is told which letters a job has sent; a million of them take some 150 MB. */
export const JOB_LETTERS_TTL_MS = 7 * 86_400_000;

const plain = { history: 1, ttlMs: 0, hasTtlPerKey: false };

const all: readonly Bucket[] = [
  { ...plain, name: buckets.groups, history: 10 },
  { ...plain, name: buckets.contracts, history: 10 },
  // Without markers of what has expired: they need rollups.
  { ...plain, name: buckets.members, ttlMs: MEMBER_TTL_MS },
  { ...plain, name: buckets.attempts, ttlMs: ATTEMPTS_TTL_MS },
  // History, so that the transitions of a row can be looked at.
  { ...plain, name: buckets.ledger, history: 5 },
  { ...plain, name: buckets.replays, hasTtlPerKey: true },
  { ...plain, name: buckets.jobs },
  { ...plain, name: buckets.jobLetters, ttlMs: JOB_LETTERS_TTL_MS },
];

/** There before the first group: tokens, and the audit without which nothing is changed. */
const forAccess = [bucketStream(TOKENS), AUDIT];

/** The streams behind the buckets, tokens and audit. */
export function ownStreams(): string[] {
  return [...all.map(({ name }) => bucketStream(name)), ...forAccess];
}

/**
 * Makes the buckets that are missing. One that others made is taken as it is when it can serve; what is ours gets as many
 * replicas as a group wants that wants the most.
 */
export async function provisionBuckets(nats: Nats, replicas: number): Promise<Change[]> {
  const changes: Change[] = [];
  for (const bucket of all)
    changes.push({ what: `bucket ${bucket.name}`, change: await provision(nats, bucket, replicas) });
  for (const name of forAccess) {
    const found = await findStream(nats, name);
    const patch = found === undefined ? {} : moreReplicas(found.config, replicas);
    if (Object.keys(patch).length === 0) continue;
    await updateStream(nats, name, patch);
    changes.push({ what: `stream ${name}`, change: "updated" });
  }
  return changes;
}

/** Makes one of the buckets where it is missing. */
export async function provisionBucket(nats: Nats, name: string, replicas: number): Promise<void> {
  const bucket = all.find((one) => one.name === name);
  if (bucket !== undefined) await provision(nats, bucket, replicas);
}

/** What would become of the buckets. */
export async function planBuckets(snapshot: Snapshot, replicas: number): Promise<PlannedChange[]> {
  const changes = await Promise.all(all.map((bucket) => plan(snapshot, bucket, replicas)));
  for (const name of forAccess) {
    const found = await snapshot.stream(name);
    if (found === undefined) continue;
    const differences = differencesBetween(found.config, moreReplicas(found.config, replicas));
    if (differences.length > 0) changes.push({ what: `stream ${name}`, change: "update", differences });
  }
  return changes;
}

async function plan(snapshot: Snapshot, bucket: Bucket, replicas: number): Promise<PlannedChange> {
  const what = `bucket ${bucket.name}`;
  const found = await snapshot.stream(bucketStream(bucket.name));
  if (found === undefined) return { what, change: "create", differences: [] };
  const patch = patchOf(bucket, found.config, replicas);
  const differences = differencesBetween(found.config, patch);
  return { what, change: differences.length === 0 ? "unchanged" : "update", differences };
}

async function provision(nats: Nats, bucket: Bucket, replicas: number): Promise<Change["change"]> {
  const name = bucketStream(bucket.name);
  const wanted = configOf(bucket, replicas);
  const found = await findStream(nats, name);
  if (found === undefined) {
    return (await createStream(nats, { ...wanted, name })) === "created" ? "created" : "unchanged";
  }
  const patch = patchOf(bucket, found.config, replicas);
  if (Object.keys(patch).length === 0) return "unchanged";
  await updateStream(nats, name, patch);
  return "updated";
}

function patchOf(bucket: Bucket, config: StreamConfig, replicas: number): Partial<StreamConfig> {
  if (config.max_msgs_per_subject < bucket.history || config.sealed) {
    throw fail(
      "foreign",
      `bucket ${bucket.name} is there but cannot serve: it keeps ${config.max_msgs_per_subject} values a key, ${bucket.history} are needed`,
    );
  }
  // Without direct access members cannot get; with rollups one hostile put empties the bucket, for all groups.
  const needsNoRollup = config.allow_rollup_hdrs;
  const hasMarkers = (config.subject_delete_marker_ttl ?? 0) > 0;
  return {
    ...(config.allow_direct ? {} : { allow_direct: true }),
    ...(bucket.hasTtlPerKey && !config.allow_msg_ttl ? { allow_msg_ttl: true } : {}),
    ...(needsNoRollup ? { allow_rollup_hdrs: false } : {}),
    ...(hasMarkers ? { subject_delete_marker_ttl: 0 } : {}),
    ...moreReplicas(config, replicas),
  };
}

function configOf(bucket: Bucket, replicas: number): Partial<StreamConfig> {
  return {
    subjects: [`$KV.${bucket.name}.>`],
    storage: "file",
    retention: "limits",
    discard: "new",
    num_replicas: replicas,
    max_msgs_per_subject: bucket.history,
    max_age: ns(bucket.ttlMs),
    duplicate_window: ns(bucket.ttlMs > 0 ? Math.min(bucket.ttlMs, 120_000) : 120_000),
    allow_direct: true,
    deny_delete: true,
    allow_rollup_hdrs: false,
    ...(bucket.hasTtlPerKey ? { allow_msg_ttl: true } : {}),
    metadata: mark("bucket"),
  };
}
