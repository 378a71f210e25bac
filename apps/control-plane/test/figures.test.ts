import { MemberRecord } from "@muster/contracts";
import type { ConsumerInfo } from "@nats-io/jetstream";
import { expect, test } from "vitest";
import { figuresOf } from "../src/groups/figures.ts";
import { memberOf } from "./system.ts";

const counts = { done: 1, retry: 2, snoozed: 3, returned: 4, dead: 5, repeat: 6, stale: 7 };
const member = (over: object) => MemberRecord.parse(memberOf({ counts, ...over }));
const consumer = { num_pending: 7, num_ack_pending: 20, num_redelivered: 3 } as ConsumerInfo;

test("adds up what the members have and did, and the dead letters of all reasons", () => {
  const members = [
    member({ in_flight: 2, held: 5, degraded: true }),
    // It does not tell what it holds: at least what runs.
    member({ in_flight: 4, held: 0 }),
  ];
  expect(figuresOf(consumer, members, { invalid: 8, exhausted: 9 })).toEqual({
    ready: 7,
    in_flight: 6,
    held: 5,
    ack_pending: 20,
    backing_off: 11,
    redelivered: 3,
    dead: 17,
    degraded: 1,
    counts: { done: 2, retry: 4, snoozed: 6, returned: 8, dead: 10, repeat: 12, stale: 14 },
  });
});

test("is 0 where nobody is, and never less where heartbeats are older than the consumer", () => {
  expect(figuresOf(undefined, [], {})).toMatchObject({
    ready: 0,
    backing_off: 0,
    dead: 0,
    counts: { done: 0 },
  });
  expect(figuresOf(consumer, [member({ in_flight: 1, held: 30 })], {})).toMatchObject({ backing_off: 0 });
});
