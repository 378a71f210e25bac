// One group: its spec, who is in it, how far behind it is.
import { checkName, type GroupSpec, groupKey, type MemberRecord } from "@muster/contracts";
import type { Nats } from "../nats/connection.ts";
import { findConsumer } from "./consumer.ts";
import { countDead } from "./dead.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { readMembers } from "./members.ts";
import { getSpec } from "./specs.ts";
import { findStream } from "./streams.ts";

/** A group in full. */
export type GroupView = {
  stream: string;
  group: string;
  spec: GroupSpec;
  revision: number;
  members: MemberRecord[];
  dead_by_reason: Record<string, number>;
  /** Whether stream and consumer are there; a queue group has neither, and neither to miss. */
  has_stream?: boolean;
  has_consumer?: boolean;
} & Figures;

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
