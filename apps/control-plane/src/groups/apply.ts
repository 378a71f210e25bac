// Makes what a group needs, in an order that lets members join only when all is there.
import { buckets, dlqStream, type GroupSpec, groupKey } from "@muster/contracts";
import { z } from "zod";
import { fail } from "../errors.ts";
import { putEntry } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { provisionBuckets } from "./buckets.ts";
import { canonicalJson } from "./canonical.ts";
import { Change } from "./change.ts";
import { checkGroup, subjectsOf } from "./check-group.ts";
import { provisionConsumer } from "./consumer.ts";
import { provisionContracts } from "./contracts.ts";
import { readSpec } from "./specs.ts";
import { provisionDlq, provisionStream, type StreamOptions } from "./stream.ts";
import { getStream } from "./streams.ts";

const ROUNDS = 10;

/** What an apply came to: the spec's revision, and what happened to each thing. */
export const Applied = z
  .strictObject({ stream: z.string(), group: z.string(), revision: z.int(), changes: z.array(Change) })
  .meta({ id: "Applied" });
export type Applied = z.infer<typeof Applied>;

/**
 * Provisions a group: buckets, stream, dead-letter stream, consumer, contracts, and the spec last; a
 * queue group has neither stream nor consumer. All that can be refused is refused before anything is
 * made. Safe to repeat, and safe when two run at once: the spec is written by compare and set
 * (`changed_meanwhile` for the one that was late), and both leave stream and consumer as the spec
 * that won wants them.
 */
export async function applyGroup(nats: Nats, spec: GroupSpec, options: StreamOptions = {}): Promise<Applied> {
  const { hasStream, replicas } = await checkGroup(nats, spec, options);
  const changes = await provisionBuckets(nats, replicas);
  const before = await readSpec(nats, spec.stream, spec.group);
  if (hasStream) {
    const change = await provisionStream(nats, spec, options, await subjectsOf(nats, spec));
    changes.push({ what: `stream ${spec.stream}`, change });
  }
  changes.push({
    what: `stream ${dlqStream(spec.stream)}`,
    change: await provisionDlq(nats, spec.stream, replicas),
  });
  if (hasStream)
    changes.push({ what: `consumer ${spec.group}`, change: await provisionConsumer(nats, spec) });
  changes.push(...(await provisionContracts(nats, spec.contracts)));
  const written = await writeSpec(nats, spec, before);
  if (hasStream) await settle(nats, spec);
  if (written.type === "lost") {
    throw fail(
      "changed_meanwhile",
      `group ${spec.group} of stream ${spec.stream} was changed by somebody else (revision ${written.revision}); look at it and apply again`,
    );
  }
  changes.push({ what: `spec ${groupKey(spec.stream, spec.group)}`, change: written.change });
  return { stream: spec.stream, group: spec.group, revision: written.revision, changes };
}

type Written =
  | { type: "won"; revision: number; change: Change["change"] }
  | { type: "lost"; revision: number };

async function writeSpec(
  nats: Nats,
  spec: GroupSpec,
  before: Awaited<ReturnType<typeof readSpec>>,
): Promise<Written> {
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

/**
 * Streams and consumers have no compare and set, so another apply may have written over ours in
 * between. Each apply therefore ends by making them fit what is stored: the last one sees all.
 */
async function settle(nats: Nats, mine: GroupSpec): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const { spec = mine } = await readSpec(nats, mine.stream, mine.group);
    const stream = await provisionStream(nats, spec, {}, await subjectsOf(nats, spec));
    const consumer = await provisionConsumer(nats, spec);
    if (stream !== "updated" && consumer !== "updated") return;
  }
  const { state } = await getStream(nats, mine.stream);
  throw fail(
    "changed_meanwhile",
    `stream ${mine.stream} (${state.messages} messages) keeps being changed by others; apply again when they are done`,
  );
}
