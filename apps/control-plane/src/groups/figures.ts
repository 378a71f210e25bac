// How far behind a group is, told apart by what waits for what.
import type { MemberRecord } from "@muster/contracts";
import type { ConsumerInfo } from "@nats-io/jetstream";

/** The figures of a group: the consumer's, and what only the members' heartbeats know. */
export type Figures = {
  /** Not delivered yet. 0 in a queue group, as all figures of the server: it keeps nothing for it. */
  ready: number;
  /** Handlers that run, by the heartbeats. */
  in_flight: number;
  /** Messages in the members' hands, started or not, by the heartbeats. */
  held: number;
  /** Delivered and not settled, by the server. */
  ack_pending: number;
  /** Waiting for a retry: ack pending − held, an estimate, because heartbeats are seconds old. */
  backing_off: number;
  /** Messages not settled that were delivered more than once. */
  redelivered: number;
  dead: number;
  /** Members whose ledger, records or dead letters are out of reach, or whose breaker is open. */
  degraded: number;
  /** Deliveries by outcome, of the members that live, since each began. */
  counts: Counts;
};

const outcomes = ["done", "retry", "snoozed", "returned", "dead", "repeat", "stale"] as const;
type Counts = Record<(typeof outcomes)[number], number>;

/** Adds up the figures of a group; without a consumer its numbers are 0. */
export function figuresOf(
  consumer: ConsumerInfo | undefined,
  members: readonly MemberRecord[],
  deadByReason: Readonly<Record<string, number>>,
): Figures {
  const inFlight = sum(members, ({ in_flight }) => in_flight);
  const ackPending = consumer?.num_ack_pending ?? 0;
  return {
    ready: consumer?.num_pending ?? 0,
    in_flight: inFlight,
    held: sum(members, ({ held }) => held),
    ack_pending: ackPending,
    // A member that does not tell what it holds has at least what runs.
    backing_off: Math.max(0, ackPending - sum(members, (member) => Math.max(member.held, member.in_flight))),
    redelivered: consumer?.num_redelivered ?? 0,
    dead: sum(Object.values(deadByReason), (count) => count),
    degraded: members.filter(({ degraded }) => degraded).length,
    counts: Object.fromEntries(
      outcomes.map((outcome) => [outcome, sum(members, ({ counts }) => counts[outcome])]),
    ) as Counts,
  };
}

function sum<T>(items: readonly T[], numberOf: (item: T) => number): number {
  return items.reduce((total, item) => total + numberOf(item), 0);
}
