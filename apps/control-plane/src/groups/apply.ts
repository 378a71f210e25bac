// Makes what groups need, in an order that lets members join only when all is there.
import { buckets, dlqStream, type GroupSpec, groupKey } from "@muster/contracts";
import { z } from "zod";
import { fail } from "../errors.ts";
import { putEntry } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { awaitCopies, COPIES_MS } from "./await-copies.ts";
import { ownStreams, provisionBuckets } from "./buckets.ts";
import { canonicalJson } from "./canonical.ts";
import { Change } from "./change.ts";
import type { Checked } from "./check-groups.ts";
import { provisionConsumer } from "./consumer.ts";
import { provisionContracts } from "./contracts.ts";
import { provisionDlq } from "./dlq-stream.ts";
import type { Entry } from "./entries.ts";
import { plan, type Planned } from "./plan.ts";
import { settleConsumer, settleStream } from "./settle.ts";
import { Snapshot } from "./snapshot.ts";
import { readSpec, type StoredSpec } from "./specs.ts";
import { provisionStream, type Source, type StreamOptions } from "./stream.ts";

/** What is made, and yet not as safe as it was asked for. */
export const Notes = z
  .array(z.string())
  .optional()
  .describe("What has fewer copies in the cluster than it is to have; the servers go on by themselves");

/** What an apply came to: the spec's revision, and what happened to each thing. */
export const Applied = z
  .strictObject({
    stream: z.string(),
    group: z.string(),
    revision: z.int(),
    changes: z.array(Change),
    notes: Notes,
  })
  .meta({ id: "Applied" });
export type Applied = z.infer<typeof Applied>;

/**
 * Provisions a group: buckets, stream, dead-letter stream, consumer, contracts, and the spec last; a
 * queue group has neither stream nor consumer. All that can be refused is refused before anything is
 * made. Safe to repeat, and safe when two run at once: the spec is written by compare and set
 * (`changed_meanwhile` for the one that was late), and both leave stream and consumer as the spec
 * that won wants them. With `adopt` what others made is taken over. In a cluster it ends when streams and consumers have
 * their copies, or after `copiesMs` (default a minute) with a note.
 */
export async function applyGroup(
  nats: Nats,
  spec: GroupSpec,
  options: StreamOptions = {},
  adopt = false,
  copiesMs: number = COPIES_MS,
): Promise<Applied> {
  const until = performance.now() + copiesMs;
  const planned = await plan(new Snapshot(nats, false), [{ spec, stream: options, adopt }]);
  const [part, group] = [planned.parts[0], planned.groups[0]];
  if (part === undefined || group === undefined) throw new Error("a plan without its group");
  const ofBuckets = await bucketsBefore(nats, part.replicas, until);
  const before = await streamsBefore(nats, part);
  const { revision, consumer, contracts, spec: ofSpec } = await applyEntry(nats, group, spec.contracts);
  const after = await streamsAfter(nats, part);
  const changes = [...ofBuckets, ...after, ...before, ...consumer, ...contracts, ofSpec];
  const notes = await awaitCopies(nats, streamsOf([part]), until);
  return { stream: spec.stream, group: spec.group, revision, changes, ...noted(notes) };
}

/** The buckets and the audit. While they get more copies they may not answer for seconds: without them nothing goes on. */
export async function bucketsBefore(nats: Nats, replicas: number, until: number): Promise<Change[]> {
  const changes = await provisionBuckets(nats, replicas);
  if (changes.some(({ change }) => change === "updated")) await awaitCopies(nats, ownStreams(), until);
  return changes;
}

/** All streams that parts need, Muster's own among them. */
export function streamsOf(parts: readonly Checked[]): string[] {
  const ofParts = parts.flatMap(({ stream, source }) => [
    ...(source === undefined ? [] : [stream]),
    dlqStream(stream),
  ]);
  return [...ownStreams(), ...ofParts];
}

/** No word of notes where there are none. */
export function noted(notes: string[]): { notes?: string[] } {
  return notes.length === 0 ? {} : { notes };
}

/** What has to be there before consumers: the dead-letter stream of a part, and its stream where it is new. */
export async function streamsBefore(nats: Nats, part: Checked): Promise<Change[]> {
  const { stream, source, isThere, adopt, replicas } = part;
  const dlq = dlqStream(stream);
  return [
    ...(source === undefined || isThere ? [] : [await applyStream(nats, source)]),
    { what: `stream ${dlq}`, change: await provisionDlq(nats, stream, { replicas, adopt }) },
  ];
}

/**
 * A stream that is there takes further subjects only when the consumers do: one that is busy would go past what is
 * published in between, and never deliver it.
 */
export async function streamsAfter(nats: Nats, part: Checked): Promise<Change[]> {
  const { source, isThere } = part;
  if (source === undefined) return [];
  const changes = isThere ? [await applyStream(nats, source)] : [];
  await settleStream(nats, part);
  return changes;
}

async function applyStream(nats: Nats, source: Source): Promise<Change> {
  return { what: `stream ${source.stream}`, change: await provisionStream(nats, source) };
}

/** What applying one group did beside buckets and streams. */
type AppliedEntry = { revision: number; consumer: Change[]; contracts: Change[]; spec: Change };

/** The consumer of a group, the contracts named, and its spec. */
export async function applyEntry(
  nats: Nats,
  { entry, before }: Planned["groups"][number],
  contracts: readonly string[],
): Promise<AppliedEntry> {
  const { spec, adopt }: Entry = entry;
  const hasConsumer = spec.delivery.mode !== "queue";
  const consumer: Change[] = hasConsumer
    ? [{ what: `consumer ${spec.group}`, change: await provisionConsumer(nats, spec, adopt) }]
    : [];
  const ofContracts = await provisionContracts(nats, contracts);
  const written = await writeSpec(nats, spec, before);
  if (hasConsumer) await settleConsumer(nats, spec);
  if (written.type === "lost") {
    throw fail(
      "changed_meanwhile",
      `group ${spec.group} of stream ${spec.stream} was changed by somebody else (revision ${written.revision}); look at it and apply again`,
    );
  }
  const what = `spec ${groupKey(spec.stream, spec.group)}`;
  return {
    revision: written.revision,
    consumer,
    contracts: ofContracts,
    spec: { what, change: written.change },
  };
}

type Written =
  | { type: "won"; revision: number; change: Change["change"] }
  | { type: "lost"; revision: number };

async function writeSpec(nats: Nats, spec: GroupSpec, before: StoredSpec): Promise<Written> {
  const wanted = canonicalJson(spec);
  if (before.spec !== undefined && canonicalJson(before.spec) === wanted) {
    return { type: "won", revision: before.revision, change: "unchanged" };
  }
  const key = groupKey(spec.stream, spec.group);
  const revision = await putEntry(nats, buckets.groups, key, wanted, before.revision);
  if (revision !== "conflict")
    return { type: "won", revision, change: before.spec === undefined ? "created" : "updated" };
  const now = await readSpec(nats, spec.stream, spec.group);
  const isEqual = now.spec !== undefined && canonicalJson(now.spec) === wanted;
  return isEqual
    ? { type: "won", revision: now.revision, change: "unchanged" }
    : { type: "lost", revision: now.revision };
}
