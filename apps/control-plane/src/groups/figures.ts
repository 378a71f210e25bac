// How far behind a group is, told apart by what waits for what.
import type { MemberRecord } from "@muster/contracts";
import type { ConsumerInfo } from "@nats-io/jetstream";

/** The figures of a group: the consumer's, and what only the members' heartbeats know. */
export type Figures = {
  /** Not delivered yet. */
  ready: number;
  /** Handlers that run, by the heartbeats. */
  in_flight: number;
  /** Delivered and not settled, by the server. */
  ack_pending: number;
  /** Waiting for a retry: ack pending − in flight, an estimate, because heartbeats are seconds old. */
  backing_off: number;
  /** Messages not settled that were delivered more than once. */
  redelivered: number;
  dead: number;
};

/** Adds up the figures of a group; without a consumer its numbers are 0. */
export function figuresOf(
  consumer: ConsumerInfo | undefined,
  members: readonly MemberRecord[],
  deadByReason: Readonly<Record<string, number>>,
): Figures {
  const inFlight = members.reduce((sum, member) => sum + member.in_flight, 0);
  const ackPending = consumer?.num_ack_pending ?? 0;
  return {
    ready: consumer?.num_pending ?? 0,
    in_flight: inFlight,
    ack_pending: ackPending,
    backing_off: Math.max(0, ackPending - inFlight),
    redelivered: consumer?.num_redelivered ?? 0,
    dead: Object.values(deadByReason).reduce((sum, count) => sum + count, 0),
  };
}
