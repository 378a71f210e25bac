// All groups, one line each.
import type { GroupSpec, MemberRecord } from "@muster/contracts";
import type { Nats } from "../nats/connection.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { readGroups } from "./read-groups.ts";

/** A group in the list. */
export type GroupLine = {
  stream: string;
  group: string;
  revision: number;
  mode: GroupSpec["delivery"]["mode"];
  ledger: GroupSpec["ledger"];
  paused: boolean;
  /** Live members by language. */
  members: Record<string, number>;
  /** False when the consumer is gone: members wait until the group is applied again. A queue group has none to miss. */
  has_consumer?: boolean;
} & Figures;

/** The groups that have a spec, ordered by stream and group. */
export async function listGroups(nats: Nats): Promise<GroupLine[]> {
  return (await readGroups(nats)).map(({ spec, revision, consumer, members, deadByReason }) => ({
    stream: spec.stream,
    group: spec.group,
    revision,
    mode: spec.delivery.mode,
    ledger: spec.ledger,
    paused: spec.paused,
    members: countByLanguage(members),
    ...(spec.delivery.mode === "queue" ? {} : { has_consumer: consumer !== undefined }),
    ...figuresOf(consumer, members, deadByReason),
  }));
}

/** Live members by language. */
export function countByLanguage(members: readonly MemberRecord[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { language } of members) counts[language] = (counts[language] ?? 0) + 1;
  return counts;
}
