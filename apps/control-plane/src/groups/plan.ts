// What an apply would do, without doing it.
import { type GroupSpec, groupKey, MusterError } from "@muster/contracts";
import { z } from "zod";
import type { Nats } from "../nats/connection.ts";
import { planBuckets } from "./buckets.ts";
import { checkGroup, subjectsOf } from "./check-group.ts";
import { planConsumer } from "./consumer.ts";
import { planContracts } from "./contracts.ts";
import { documentDifferences, PlannedChange } from "./plan-change.ts";
import { readSpec, type StoredSpec } from "./specs.ts";
import { planDlq, planStream, type StreamOptions } from "./stream.ts";

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

/** Changes nothing, and refuses what an apply would refuse. */
export async function planGroup(
  nats: Nats,
  spec: GroupSpec,
  options: StreamOptions = {},
): Promise<GroupPlan> {
  const { hasStream } = await checkGroup(nats, spec, options);
  const before = await readSpec(nats, spec.stream, spec.group).catch(noneWithoutBucket);
  const changes = await planBuckets(nats);
  if (hasStream) changes.push(await planStream(nats, spec, options, await subjectsOf(nats, spec)));
  changes.push(await planDlq(nats, spec.stream));
  if (hasStream) changes.push(await planConsumer(nats, spec));
  changes.push(...(await planContracts(nats, spec.contracts)));
  const ofSpec = planSpec(spec, before.spec);
  changes.push(ofSpec);
  return {
    stream: spec.stream,
    group: spec.group,
    revision: before.revision,
    changes,
    restart_needed: before.spec === undefined ? [] : restartNeeded(ofSpec),
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
