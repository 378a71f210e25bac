// All groups, one line each.
import { type GroupSpec, groupKey } from "@muster/contracts";
import type { Nats } from "../nats/connection.ts";
import { findConsumer } from "./consumer.ts";
import { countDead } from "./dead.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { readMembers } from "./members.ts";
import { readSpecs } from "./specs.ts";

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
  const [specs, members] = await Promise.all([readSpecs(nats), readMembers(nats)]);
  const streams = [...new Set(specs.map(({ spec }) => spec.stream))];
  const dead = new Map(
    await Promise.all(streams.map(async (stream) => [stream, await countDead(nats, stream)] as const)),
  );
  const lines: GroupLine[] = [];
  for (const { spec, revision } of specs) {
    const { stream, group, paused, ledger } = spec;
    const { mode } = spec.delivery;
    const live = members.get(groupKey(stream, group)) ?? [];
    const consumer =
      mode === "queue" ? undefined : await findConsumer(nats, stream, group).catch(() => undefined);
    const byLanguage: Record<string, number> = {};
    for (const { language } of live) byLanguage[language] = (byLanguage[language] ?? 0) + 1;
    lines.push({
      stream,
      group,
      revision,
      mode,
      ledger,
      paused,
      members: byLanguage,
      ...(mode === "queue" ? {} : { has_consumer: consumer !== undefined }),
      ...figuresOf(consumer, live, dead.get(stream)?.get(group) ?? {}),
    });
  }
  return lines.sort((a, b) => (groupKey(a.stream, a.group) < groupKey(b.stream, b.group) ? -1 : 1));
}
