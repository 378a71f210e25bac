// Groups for people.
import type { Answer } from "../procedures.ts";
import { list, table } from "../table.ts";

type Lines = Answer<"groups.list">;
type View = Answer<"groups.get">;

/** Groups as a table. */
export function lines(groups: Lines): string {
  if (groups.length === 0) return "no groups yet; make one with: muster groups apply -f spec.json";
  return table(
    [
      "stream",
      "group",
      "mode",
      "ledger",
      "members",
      "ready",
      "in flight",
      "held",
      "backing off",
      "redelivered",
      "dead",
      "state",
    ],
    groups.map((group) => [
      group.stream,
      group.group,
      group.mode,
      group.ledger,
      Object.entries(group.members)
        .map(([language, count]) => `${language} ${count}`)
        .join(", ") || "none",
      group.ready,
      group.in_flight,
      group.held,
      group.backing_off,
      group.redelivered,
      group.dead,
      stateOf(group),
    ]),
  );
}

function stateOf({ has_consumer, paused, degraded }: Lines[number]): string {
  return [
    ...(has_consumer === false ? ["consumer missing"] : []),
    ...(paused ? ["paused"] : []),
    ...(degraded > 0 ? [`${degraded} degraded`] : []),
  ].join(", ");
}

/** One group in full. */
export function view(group: View): string {
  const { spec } = group;
  const figures = list([
    ["stream", group.stream],
    ["group", group.group],
    ["revision", group.revision],
    ["contracts", spec.contracts.join(", ")],
    ["subjects", spec.subjects.join(", ")],
    ["mode", modeOf(spec.delivery)],
    ["ledger", spec.ledger],
    ["ack wait", `${spec.ack_wait_ms} ms`],
    ["attempts", `${spec.retry.max_attempts}, backoff ${spec.retry.backoff_ms.join(", ")} ms`],
    ["concurrency", `${spec.concurrency} a member, deadline ${spec.timeout_ms} ms`],
    ["paused", spec.paused],
    ["ready", group.ready],
    ["in flight", group.in_flight],
    ["held", group.held],
    ["backing off", group.backing_off],
    ["ack pending", group.ack_pending],
    ["redelivered", group.redelivered],
    [
      "dead",
      Object.entries(group.dead_by_reason)
        .map(([reason, count]) => `${reason} ${count}`)
        .join(", ") || 0,
    ],
    ...(group.has_stream !== false ? [] : [["missing", "the stream; apply the group again"] as const]),
    ...(group.has_stream === true && group.has_consumer === false
      ? [["missing", "the consumer; apply the group again"] as const]
      : []),
  ]);
  if (group.members.length === 0) return `${figures}\n\nno members; start one with: muster worker ts|go|py`;
  const members = table(
    [
      "member",
      "language",
      "state",
      "in flight",
      "held",
      "done",
      "repeat",
      "stale",
      "retry",
      "dead",
      "host",
      "pid",
      "since",
    ],
    group.members.map((member) => [
      member.id,
      member.language,
      memberState(member),
      member.in_flight,
      member.held,
      member.counts.done,
      member.counts.repeat,
      member.counts.stale,
      member.counts.retry,
      member.counts.dead,
      member.host,
      member.pid,
      member.started_at,
    ]),
  );
  return `${figures}\n\n${members}`;
}

function modeOf(delivery: View["spec"]["delivery"]): string {
  return delivery.mode === "batch"
    ? `batch of ${delivery.size}, waits ${delivery.wait_ms} ms for a full one`
    : delivery.mode;
}

/** A member's state, and what is the matter with it. */
export function memberState({ state, degraded, restart_needed }: View["members"][number]): string {
  return [
    state,
    ...(degraded ? ["degraded"] : []),
    ...(restart_needed.length > 0 ? [`restart it for ${restart_needed.join(" and ")}`] : []),
  ].join(", ");
}
