// Makes all groups of a file, one after the other.
import { z } from "zod";
import { asMusterError } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { applyEntry, bucketsBefore, noted, Notes, streamsAfter, streamsBefore, streamsOf } from "./apply.ts";
import { awaitCopies, COPIES_MS } from "./await-copies.ts";
import { Change } from "./change.ts";
import type { Checked } from "./check-groups.ts";
import type { Entry } from "./entries.ts";
import { plan, type Planned } from "./plan.ts";
import { Snapshot } from "./snapshot.ts";

const Name = { stream: z.string(), group: z.string() };

/** What became of one group of a file. */
export const GroupApplied = z.discriminatedUnion("outcome", [
  z.strictObject({ ...Name, outcome: z.literal("applied"), revision: z.int(), changes: z.array(Change) }),
  z.strictObject({ ...Name, outcome: z.literal("failed"), code: z.string(), error: z.string() }),
  z.strictObject({ ...Name, outcome: z.literal("not_reached") }),
]);
export type GroupApplied = z.infer<typeof GroupApplied>;

/** What became of a file of groups: what stands in it stays made, also where one failed. */
export const GroupsApplied = z
  .strictObject({
    ok: z.boolean().describe("Whether every group is applied; else apply the file again, it goes on"),
    shared: z
      .array(Change)
      .describe("What groups have together: buckets, streams, dead-letter streams, contracts"),
    groups: z.array(GroupApplied),
    notes: Notes,
  })
  .meta({ id: "GroupsApplied" });
export type GroupsApplied = z.infer<typeof GroupsApplied>;

/** Runs the work on one group, with what has to be noted of it before and after. */
export type Around = (entry: Entry, run: () => Promise<GroupApplied>) => Promise<GroupApplied>;

/**
 * Refuses the whole file before anything is made; then goes by stream, in the order of the file, and stops where one
 * group fails, by an outage or by somebody else's change. Safe to repeat: what is there already is unchanged. In a
 * cluster it waits for copies, as an apply of one group does.
 */
export async function applyGroups(
  nats: Nats,
  entries: readonly Entry[],
  around: Around = (_entry, run) => run(),
): Promise<GroupsApplied> {
  const until = performance.now() + COPIES_MS;
  const planned = await plan(new Snapshot(nats, true), entries);
  const replicas = Math.max(...planned.parts.map((part) => part.replicas));
  const shared = await bucketsBefore(nats, replicas, until);
  const groups: GroupApplied[] = [];
  const contracts = new Set<string>();
  let isBroken = false;
  for (const part of planned.parts) {
    const ofPart = planned.groups.filter(({ entry }) => entry.spec.stream === part.stream);
    if (!isBroken) {
      const made = await applyPart(nats, { part, groups: ofPart, contracts, around });
      shared.push(...made.shared);
      groups.push(...made.groups);
      isBroken = made.groups.some(({ outcome }) => outcome === "failed");
    }
    groups.push(...notReached(ofPart, groups));
  }
  // Where it failed, the next apply has more to change.
  const notes = isBroken ? [] : await awaitCopies(nats, streamsOf(planned.parts), until);
  return { ok: !isBroken, shared, groups, ...noted(notes) };
}

type PartWork = {
  part: Checked;
  groups: Planned["groups"];
  /** Those that are written already. */
  contracts: Set<string>;
  around: Around;
};

async function applyPart(
  nats: Nats,
  { part, groups, contracts, around }: PartWork,
): Promise<{ shared: Change[]; groups: GroupApplied[] }> {
  const shared: Change[] = [];
  const done: GroupApplied[] = [];
  for (const group of groups) {
    const { spec } = group.entry;
    const isFirst = group === groups[0];
    const isLast = group === groups.at(-1);
    const applied = await failing(spec, () =>
      around(group.entry, () =>
        failing(spec, async () => {
          if (isFirst) shared.push(...(await streamsBefore(nats, part)));
          const missing = spec.contracts.filter((name) => !contracts.has(name));
          const made = await applyEntry(nats, group, missing);
          shared.push(...made.contracts);
          for (const name of missing) contracts.add(name);
          if (isLast) shared.push(...(await streamsAfter(nats, part)));
          const changes = [...made.consumer, made.spec];
          return { ...nameOf(group), outcome: "applied", revision: made.revision, changes };
        }),
      ),
    );
    done.push(applied);
    if (applied.outcome !== "failed") continue;
    // The groups before it need what they asked of the stream. Where it fails too, applying again makes it.
    if (done.length > 1) shared.push(...(await streamsAfter(nats, part).catch(noneOfOurs)));
    break;
  }
  return { shared, groups: done };
}

function noneOfOurs(error: unknown): Change[] {
  if (asMusterError(error) === undefined) throw error;
  return [];
}

/** An error that has a code becomes an outcome: what was made before it has to be told too. */
async function failing(
  { stream, group }: Entry["spec"],
  run: () => Promise<GroupApplied>,
): Promise<GroupApplied> {
  try {
    return await run();
  } catch (error) {
    const known = asMusterError(error);
    if (known === undefined) throw error;
    return { stream, group, outcome: "failed", code: known.code, error: known.message };
  }
}

function notReached(planned: Planned["groups"], done: readonly GroupApplied[]): GroupApplied[] {
  const told = new Set(done.map(({ stream, group }) => `${stream}.${group}`));
  return planned
    .map(nameOf)
    .filter(({ stream, group }) => !told.has(`${stream}.${group}`))
    .map((name) => ({ ...name, outcome: "not_reached" }));
}

function nameOf({ entry: { spec } }: Planned["groups"][number]): { stream: string; group: string } {
  return { stream: spec.stream, group: spec.group };
}
