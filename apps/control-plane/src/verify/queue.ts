// What can be told of a queue group: its dead letters, and what its members say. There is no account.
import { type GroupSpec, groupKey } from "@muster/contracts";
import { readDeadLetters } from "../dead-letters/read.ts";
import { figuresOf } from "../groups/figures.ts";
import { readMembers } from "../groups/members.ts";
import type { Nats } from "../nats/connection.ts";
import { readArchive } from "./facts.ts";
import type { Verified } from "./verify.ts";

/** The little that core NATS lets one see. */
export async function verifyQueue(nats: Nats, { stream, group }: GroupSpec): Promise<Verified> {
  const dead = (await readDeadLetters(nats, stream, group)).length;
  const archived = (await readArchive(nats, stream)).filter((letter) => letter.group === group).length;
  const members = (await readMembers(nats, stream, group)).get(groupKey(stream, group)) ?? [];
  const { counts, in_flight } = figuresOf(undefined, members, {});
  const zero = { done: 0, waiting: 0, lost: 0, untraced: 0, repeats: 0, conflicts: 0 };
  return {
    stream,
    group,
    ok: false,
    no_account:
      "a queue group is core NATS: no stream keeps or counts what is published, and what is done leaves no trace",
    terms: { accepted: dead + archived, dead, archived, ...zero, ready: 0, in_flight, backing_off: 0 },
    lost: [],
    looks: 1,
    cannot_see: [
      "what was published: messages pass unseen while no member is subscribed",
      `what is done: the ${members.length} members that live say ${counts.done} since each began`,
      "what was lost: with a member that was killed, or in one that had no room (its metric muster_queue_lost_total)",
    ],
  };
}
