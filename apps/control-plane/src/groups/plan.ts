// What an apply would do, without doing it.
import { type GroupSpec, groupKey, MusterError } from "@muster/contracts";
import { z } from "zod";
import type { Nats } from "../nats/connection.ts";
import { planBuckets } from "./buckets.ts";
import { type Checked, checkGroups } from "./check-groups.ts";
import { checkPlace } from "./check-place.ts";
import { planConsumer } from "./consumer.ts";
import { planContracts } from "./contracts.ts";
import { planDlq } from "./dlq-stream.ts";
import type { Entry } from "./entries.ts";
import { documentDifferences, PlannedChange } from "./plan-change.ts";
import { Snapshot } from "./snapshot.ts";
import { readSpec, type StoredSpec } from "./specs.ts";
import { planStream, type StreamOptions } from "./stream.ts";

/** The plan of a group, in the order in which an apply would go. */
export const GroupPlan = z
  .strictObject({
    stream: z.string(),
    group: z.string(),
    revision: z.int().describe("The spec's revision now; 0: there is none yet"),
    changes: z.array(PlannedChange),
    restart_needed: z
      .array(z.string())
      .describe("Fields that change and that running members take up only when they are restarted"),
  })
  .meta({ id: "GroupPlan" });
export type GroupPlan = z.infer<typeof GroupPlan>;

/** The plan of a file of groups. */
export const GroupsPlan = z
  .strictObject({
    nothing_to_do: z.boolean().describe("Whether an apply would change nothing"),
    shared: z
      .array(PlannedChange)
      .describe("What groups have together: buckets, streams, dead-letter streams, contracts"),
    groups: z.array(GroupPlan).describe("What each has for itself: consumer and spec"),
  })
  .meta({ id: "GroupsPlan" });
export type GroupsPlan = z.infer<typeof GroupsPlan>;

/** A plan, as an apply goes through it. */
export type Planned = {
  parts: Checked[];
  buckets: PlannedChange[];
  /** By name of the source stream. */
  streams: Map<string, PlannedChange[]>;
  contracts: PlannedChange[];
  groups: { entry: Entry; before: StoredSpec; changes: PlannedChange[] }[];
};

/** Changes nothing, and refuses what an apply would refuse. */
export async function planGroup(
  nats: Nats,
  spec: GroupSpec,
  options: StreamOptions = {},
  adopt = false,
  snapshot = new Snapshot(nats, false),
): Promise<GroupPlan> {
  const planned = await plan(snapshot, [{ spec, stream: options, adopt }]);
  const [one] = planned.groups;
  if (one === undefined) throw new Error("a plan without its group");
  const [ofConsumer, ofSpec] = [one.changes.slice(0, -1), one.changes.slice(-1)];
  const { buckets, streams, contracts } = planned;
  const ofStreams = [...streams.values()].flat();
  return groupPlan(one, [...buckets, ...ofStreams, ...ofConsumer, ...contracts, ...ofSpec]);
}

/** As {@link planGroup}, all groups of a file together. */
export async function planGroups(nats: Nats, entries: readonly Entry[]): Promise<GroupsPlan> {
  const { buckets, streams, contracts, groups } = await plan(new Snapshot(nats, true), entries);
  const shared = [...buckets, ...[...streams.values()].flat(), ...contracts];
  const all = [...shared, ...groups.flatMap(({ changes }) => changes)];
  return {
    nothing_to_do: all.every(({ change }) => change === "unchanged" || change === "adopt"),
    shared,
    groups: groups.map((group) => groupPlan(group, group.changes)),
  };
}

/** Everything that is refused is refused here. */
export async function plan(snapshot: Snapshot, entries: readonly Entry[]): Promise<Planned> {
  const parts = await checkGroups(snapshot, entries);
  const planned: Planned = {
    parts,
    buckets: await planBuckets(snapshot, Math.max(...parts.map(({ replicas }) => replicas))),
    streams: new Map(),
    contracts: [],
    groups: [],
  };
  for (const part of parts) {
    const { stream, source, adopt, replicas } = part;
    planned.streams.set(stream, [
      ...(source === undefined ? [] : [await planStream(snapshot, source)]),
      await planDlq(snapshot, stream, { replicas, adopt }),
    ]);
    for (const entry of part.entries) planned.groups.push(await planEntry(snapshot, entry, part));
  }
  const names = new Set(entries.flatMap(({ spec }) => spec.contracts));
  planned.contracts = await planContracts(snapshot, [...names]);
  return planned;
}

async function planEntry(
  snapshot: Snapshot,
  entry: Entry,
  { retention, source }: Checked,
): Promise<Planned["groups"][number]> {
  const { spec, adopt } = entry;
  const before = await readSpec(snapshot.nats, spec.stream, spec.group).catch(noneWithoutBucket);
  const changes: PlannedChange[] = [];
  if (source !== undefined) {
    const hasStream = (await snapshot.stream(spec.stream)) !== undefined;
    const found = hasStream ? await snapshot.consumer(spec.stream, spec.group) : undefined;
    const change = planConsumer(spec, found, { adopt, retention });
    const isWidened = change.differences.some(({ field }) => field === "filter_subjects");
    if (found !== undefined && retention === "workqueue" && isWidened)
      await checkPlace(snapshot.nats, spec, found);
    changes.push(change);
  }
  return { entry, before, changes: [...changes, planSpec(spec, before.spec)] };
}

function groupPlan(
  { entry: { spec }, before, changes }: Planned["groups"][number],
  shown: PlannedChange[],
): GroupPlan {
  const ofSpec = changes.at(-1);
  return {
    stream: spec.stream,
    group: spec.group,
    revision: before.revision,
    changes: shown,
    restart_needed: before.spec === undefined || ofSpec === undefined ? [] : restartNeeded(ofSpec),
  };
}

function planSpec(spec: GroupSpec, before: GroupSpec | undefined): PlannedChange {
  const what = `spec ${groupKey(spec.stream, spec.group)}`;
  const differences = documentDifferences(before ?? {}, spec);
  if (before === undefined) return { what, change: "create", differences };
  return { what, change: differences.length === 0 ? "unchanged" : "update", differences };
}

function restartNeeded({ differences }: PlannedChange): string[] {
  const fields = new Set(differences.map(({ field }) => field.split(".", 1)[0] ?? ""));
  return ["delivery", "ledger"].filter((field) => fields.has(field));
}

function noneWithoutBucket(error: unknown): StoredSpec {
  if (error instanceof MusterError && error.code === "no_bucket") return { spec: undefined, revision: 0 };
  throw error;
}
