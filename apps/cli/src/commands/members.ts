// What the commands for members have beyond their procedures.
import type { Answer } from "../procedures.ts";
import type { Refinements } from "../refinement.ts";
import { table } from "../table.ts";
import { safe } from "../text.ts";
import { memberState } from "./group-views.ts";

/** `muster members …`. */
export const members: Refinements = {
  "groups.members": {
    words: "members list",
    extend: (command) => command.option("--no-degraded", "only those that lack nothing"),
    told: page,
  },
  "groups.drainMember": {
    words: "members drain",
    note: "It gives back what it has not begun",
    told: ({ member, in_flight, held }) => `member ${member} drains: ${in_flight} running, ${held} in hand`,
  },
  "groups.events": {
    words: "members watch",
    note: "A line each, until Ctrl-C; with -o json an object a line",
    told: line,
  },
};

function page({ items, total, next_cursor }: Answer<"groups.members">): string {
  if (items.length === 0) return "no members; start one with: muster worker ts|go|py";
  const rows = items.map(({ stream, group, member }) => [
    stream,
    group,
    member.id,
    member.language,
    memberState(member),
    member.in_flight,
    member.held,
    member.counts.done,
    member.counts.dead,
    member.host,
    member.pid,
  ]);
  const head = [
    "stream",
    "group",
    "member",
    "language",
    "state",
    "in flight",
    "held",
    "done",
    "dead",
    "host",
    "pid",
  ];
  const more = next_cursor === undefined ? "" : `; the next page: --cursor ${next_cursor}`;
  return `${table(head, rows)}\n\n${items.length} of ${total} members${more}`;
}

function line({
  at,
  event,
  member,
  stream,
  group,
  language = "?",
  state,
  degraded,
}: Answer<"groups.events">): string {
  const more =
    event === "here" || event === "joined" || event === "changed"
      ? `, ${state}${degraded ? ", degraded" : ""}`
      : "";
  return safe(`${at}  ${event.padEnd(7)}  ${member} (${language}) of ${group} of ${stream}${more}`);
}
