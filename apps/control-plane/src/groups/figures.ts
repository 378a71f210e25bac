// How far behind a group is, told apart by what waits for what.
import type { MemberRecord } from "@muster/contracts";
import type { ConsumerInfo } from "@nats-io/jetstream";
import { z } from "zod";

const Count = z.int().min(0);
const outcomes = ["done", "retry", "snoozed", "returned", "dead", "repeat", "stale"] as const;
const Counts = z.record(z.enum(outcomes), Count);
type Counts = z.infer<typeof Counts>;

/** The figures of a group: the consumer's, and what only the members' heartbeats know. */
export const Figures = z.strictObject({
  ready: Count.describe("Not delivered yet. 0 in a queue group: the server keeps nothing for it"),
  in_flight: Count.describe("Handlers that run, by the heartbeats"),
  held: Count.describe("Messages in the members' hands, started or not, by the heartbeats"),
  ack_pending: Count.describe("Delivered and not settled, by the server"),
  backing_off: Count.describe(
    "Waiting for a retry: ack_pending - held, an estimate, because heartbeats are seconds old",
  ),
  redelivered: Count.describe("Messages not settled that were delivered more than once"),
  dead: Count.describe("Dead letters"),
  degraded: Count.describe(
    "Members whose ledger, records or dead letters are out of reach, or whose breaker is open",
  ),
  counts: Counts.describe("Deliveries by outcome, of the members that live, since each began"),
});
export type Figures = z.infer<typeof Figures>;

/** Adds up the figures of a group; without a consumer its numbers are 0. */
export function figuresOf(
  consumer: ConsumerInfo | undefined,
  members: readonly MemberRecord[],
  deadByReason: Readonly<Record<string, number>>,
): Figures {
  // In one pass: a list of a thousand groups adds up ten thousand members.
  let [inFlight, held, inHand, degraded] = [0, 0, 0, 0];
  const counts: Counts = { done: 0, retry: 0, snoozed: 0, returned: 0, dead: 0, repeat: 0, stale: 0 };
  for (const member of members) {
    inFlight += member.in_flight;
    held += member.held;
    // A member that does not tell what it holds has at least what runs.
    inHand += Math.max(member.held, member.in_flight);
    if (member.degraded) degraded++;
    for (const outcome of outcomes) counts[outcome] += member.counts[outcome];
  }
  const ackPending = consumer?.num_ack_pending ?? 0;
  let dead = 0;
  for (const count of Object.values(deadByReason)) dead += count;
  return {
    ready: consumer?.num_pending ?? 0,
    in_flight: inFlight,
    held,
    ack_pending: ackPending,
    backing_off: Math.max(0, ackPending - inHand),
    redelivered: consumer?.num_redelivered ?? 0,
    dead,
    degraded,
    counts,
  };
}
