// Deletes a group: its spec and its consumer. Messages, dead letters and the ledger stay.
import { buckets, checkName, type GroupSpec, groupKey } from "@muster/contracts";
import type { ConsumerInfo } from "@nats-io/jetstream";
import { z } from "zod";
import { fail } from "../errors.ts";
import { deleteEntry } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { kindOf } from "./change.ts";
import { deleteConsumer, findConsumer } from "./consumer.ts";
import { countDead } from "./dead.ts";
import { readMembers } from "./members.ts";
import { readSpec } from "./specs.ts";
import { findStream } from "./streams.ts";

/** What a deletion takes away, what it leaves, and what nobody gets back. */
export const Removal = z
  .strictObject({
    stream: z.string(),
    group: z.string(),
    dry_run: z.boolean(),
    removes: z.array(z.string()),
    keeps: z.array(z.string()),
    loses: z.array(z.string()),
    members: z
      .array(z.string())
      .describe("Members that live now; without the spec they wait for the group to come back"),
  })
  .meta({ id: "Removal" });
export type Removal = z.infer<typeof Removal>;

/** `confirm` has to be the group's name; `force` deletes it under live members. */
export type RemoveOptions = { dryRun?: boolean; confirm?: string | undefined; force?: boolean };

/**
 * The spec goes first, so that members stop before their consumer is gone; killed in between, a second call ends
 * what the first began. Throws `no_group`, `not_confirmed`, `has_members`, `changed_meanwhile`.
 */
export async function removeGroup(
  nats: Nats,
  stream: string,
  group: string,
  { dryRun = false, confirm, force = false }: RemoveOptions,
): Promise<Removal> {
  checkName("stream", stream);
  checkName("group", group);
  const { spec, revision } = await readSpec(nats, stream, group);
  const consumer = stream === "core" ? undefined : await findConsumer(nats, stream, group);
  const isOurs = consumer !== undefined && kindOf(consumer.config) !== undefined;
  if (spec === undefined && !isOurs)
    throw fail(
      "no_group",
      `there is no group ${group} on stream ${stream}; \`groups list\` shows those there are`,
    );
  const removal = await describe(nats, { stream, group, spec, consumer, isOurs });
  if (dryRun) return removal;
  const losses = removal.loses.length === 0 ? "nothing is lost" : `lost is: ${removal.loses.join("; ")}`;
  if (confirm !== group)
    throw fail(
      "not_confirmed",
      `to delete group ${group} of stream ${stream}, confirm it by its name; ${losses}`,
    );
  if (removal.members.length > 0 && !force)
    throw fail(
      "has_members",
      `group ${group} of stream ${stream} has live members (${removal.members.join(", ")}); drain them first, or force it`,
    );
  if (spec !== undefined && !(await deleteEntry(nats, buckets.groups, groupKey(stream, group), revision)))
    throw changed(stream, group);
  if (isOurs) await deleteConsumer(nats, stream, group);
  if ((await readSpec(nats, stream, group)).spec !== undefined) throw changed(stream, group);
  return { ...removal, dry_run: false };
}

async function describe(
  nats: Nats,
  {
    stream,
    group,
    spec,
    consumer,
    isOurs,
  }: {
    stream: string;
    group: string;
    spec: GroupSpec | undefined;
    consumer: ConsumerInfo | undefined;
    isOurs: boolean;
  },
): Promise<Removal> {
  const members = (await readMembers(nats, stream, group)).get(groupKey(stream, group)) ?? [];
  const counts = Object.values((await countDead(nats, stream, group)).get(group) ?? {});
  const dead = counts.reduce((sum, count) => sum + count, 0);
  const retention = (await streamOf(nats, stream))?.config.retention;
  const waiting = (consumer?.num_pending ?? 0) + (consumer?.num_ack_pending ?? 0);
  const ledger = spec?.ledger ?? "none";
  return {
    stream,
    group,
    dry_run: true,
    removes: [
      ...(spec === undefined ? [] : [`spec ${groupKey(stream, group)}`]),
      ...(isOurs ? [`consumer ${group}`] : []),
    ],
    keeps: [
      ...(consumer !== undefined && !isOurs ? [`consumer ${group}, which Muster did not make`] : []),
      ...(retention === "workqueue" && waiting > 0
        ? [`${waiting} messages in stream ${stream}, which nobody takes until a group has their subjects`]
        : []),
      ...(dead > 0 ? [`${dead} dead letters`] : []),
      ...(ledger === "none" ? [] : [`the ledger (${ledger}): a group of this name does nothing twice`]),
    ],
    loses: [
      ...(retention === "interest" && isOurs && waiting > 0
        ? [`${waiting} messages of stream ${stream}, as far as no other group waits for them`]
        : []),
      ...(retention === "limits" && isOurs
        ? ["the group's place: one of this name begins at the start of the stream"]
        : []),
    ],
    members: members.map(({ id }) => id).sort(),
  };
}

function streamOf(nats: Nats, stream: string) {
  return stream === "core" ? Promise.resolve(undefined) : findStream(nats, stream);
}

function changed(stream: string, group: string): Error {
  return fail(
    "changed_meanwhile",
    `group ${group} of stream ${stream} was changed by somebody else; look at it and delete it again`,
  );
}
