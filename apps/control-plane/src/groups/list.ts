// All groups, one line each.
import { GroupSpec, type MemberRecord } from "@muster/contracts";
import { z } from "zod";
import type { Nats } from "../nats/connection.ts";
import { Figures, figuresOf } from "./figures.ts";
import { readGroups } from "./read-groups.ts";

/** A group in the list. */
export const GroupLine = z
  .strictObject({
    stream: z.string(),
    group: z.string(),
    revision: z.int().describe("Revision of the spec"),
    mode: z.enum(["pull", "batch", "push", "queue"]),
    ledger: GroupSpec.shape.ledger.unwrap(),
    paused: z.boolean(),
    members: z.record(z.string(), z.int().min(0)).describe("Live members by language"),
    has_consumer: z
      .boolean()
      .optional()
      .describe(
        "False when the consumer is gone: members wait until the group is applied again. A queue group has none to miss",
      ),
    ...Figures.shape,
  })
  .meta({ id: "GroupLine" });
export type GroupLine = z.infer<typeof GroupLine>;

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
