// One group: its spec, who is in it, how far behind it is.
import { checkName, GroupSpec, groupKey, MemberRecord } from "@muster/contracts";
import { z } from "zod";
import type { Nats } from "../nats/connection.ts";
import { parsed } from "../parsed.ts";
import { findConsumer } from "./consumer.ts";
import { countDead } from "./dead.ts";
import { Figures, figuresOf } from "./figures.ts";
import { readMembers } from "./members.ts";
import { getSpec } from "./specs.ts";
import { findStream } from "./streams.ts";

/** A group in full. */
export const GroupView = z
  .strictObject({
    stream: z.string(),
    group: z.string(),
    spec: parsed("GroupSpec", GroupSpec),
    revision: z.int().describe("Revision of the spec"),
    members: z.array(parsed("Member", MemberRecord)),
    dead_by_reason: z.record(z.string(), z.int().min(0)),
    has_stream: z.boolean().optional().describe("Absent in a queue group, which has none to miss"),
    has_consumer: z.boolean().optional().describe("Absent in a queue group, which has none to miss"),
    ...Figures.shape,
  })
  .meta({ id: "Group" });
export type GroupView = z.infer<typeof GroupView>;

/** The group, or error `no_group`. */
export async function getGroup(nats: Nats, stream: string, group: string): Promise<GroupView> {
  checkName("stream", stream);
  checkName("group", group);
  const { spec, revision } = await getSpec(nats, stream, group);
  const hasStream = spec.delivery.mode !== "queue";
  const found = hasStream ? await findStream(nats, stream) : undefined;
  const consumer = found === undefined ? undefined : await findConsumer(nats, stream, group);
  const members = (await readMembers(nats, stream, group)).get(groupKey(stream, group)) ?? [];
  const deadByReason = (await countDead(nats, stream, group)).get(group) ?? {};
  return {
    stream,
    group,
    spec,
    revision,
    members: members.sort((a, b) => (a.id < b.id ? -1 : 1)),
    dead_by_reason: deadByReason,
    ...(hasStream ? { has_stream: found !== undefined, has_consumer: consumer !== undefined } : {}),
    ...figuresOf(consumer, members, deadByReason),
  };
}
