import { overlaps } from "./filters.ts";
import type { GroupSpec } from "./group-spec.ts";

// What is below the root of Muster's own subjects: `*.created` does not reach it, `*.>` does.
const OURS = "muster.*.>";

/**
 * What is wrong with a spec that passed its schema: the rules that bind fields to each other, one
 * line each, beginning with the field to change. Empty: the spec can be used.
 */
export function specProblems(spec: GroupSpec): string[] {
  return [...streamProblems(spec), ...modeProblems(spec), ...subjectProblems(spec.subjects)];
}

function streamProblems({ stream, delivery }: GroupSpec): string[] {
  const isQueue = delivery.mode === "queue";
  if (stream === "core" && !isQueue) {
    return [`stream: core has no messages to keep, mode ${delivery.mode} needs a stream`];
  }
  return stream !== "core" && isQueue ? [`stream: mode queue has none, write core instead of ${stream}`] : [];
}

function modeProblems(spec: GroupSpec): string[] {
  const { delivery, ledger, breaker, concurrency, max_ack_pending: maxAckPending } = spec;
  const problems: string[] = [];
  if (delivery.mode === "queue" && ledger !== "none") {
    problems.push(`ledger: mode queue has no identity for a row, write none instead of ${ledger}`);
  }
  if (delivery.mode === "queue" && breaker) {
    problems.push("breaker: in mode queue messages pass unseen while it is open, leave it out");
  }
  if (delivery.mode === "batch" && Math.min(delivery.size, concurrency) > maxAckPending) {
    problems.push(
      `delivery: a batch of ${delivery.size} is never full with max_ack_pending ${maxAckPending}`,
    );
  }
  return problems;
}

// The server refuses a consumer whose filters overlap; two queue subscriptions get a message twice.
function subjectProblems(subjects: readonly string[]): string[] {
  const problems: string[] = [];
  for (const [at, subject] of subjects.entries()) {
    if (subject.split(".")[0] === "muster" || overlaps(subject, OURS)) {
      problems.push(`subjects: ${subject} takes what belongs to Muster`);
    }
    for (const other of subjects.slice(0, at)) {
      if (overlaps(other, subject)) problems.push(`subjects: ${other} and ${subject} overlap`);
    }
  }
  return problems;
}
