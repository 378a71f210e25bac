/** What a ledger row says of a message, and how rows grow. */
import { sha256, type Vectors } from "./write.ts";

const A = sha256("body a");
const B = sha256("body b");

const row = {
  v: 1,
  status: "done",
  event_id: "o-1.created",
  body_sha256: A,
  sequence: 42,
  store_time: "1767323045000000000",
  sequences: [] as number[],
  more: 0,
  member: "host-1",
  language: "py",
  at: "2026-01-02T03:04:05.000Z",
};
const done = (change: Partial<typeof row> = {}) => ({ ...row, result: { ok: true }, ...change });
const dead = (change: Partial<typeof row> = {}) => ({
  ...row,
  status: "dead",
  reason: "permanent",
  headers: { "Muster-Dlq-Reason": "permanent" },
  ...change,
});

const message = (body_sha256: string, sequence: number, store_time: string) => ({
  body_sha256,
  sequence,
  store_time,
});
const thirtyTwo = Array.from({ length: 32 }, (_, i) => 100 + i);
const SAME = "1767323045000000000";
const LATER = "1767323045000000001";
const EARLIER = "1767323044999999999";

type Message = ReturnType<typeof message>;

const decide = (name: string, r: unknown, m: Message, decision: string) => ({
  name,
  row: r,
  message: m,
  decision,
});
/** A repeat or a stale message: those that join the row, unless it knows them. */
const joins = (name: string, r: unknown, m: Message, decision: "repeat" | "stale", knows = false) => ({
  ...decide(name, r, m, decision),
  knows,
});

export const rowVectors: Vectors = {
  description:
    "row (null: none, or deleted), message, and the decision of the look-up; knows, of a repeat or a stale message: whether the row counts it already, so that it need not join",
  cases: [
    decide("no row", null, message(A, 42, SAME), "run"),
    joins("done, the very message", done(), message(A, 42, SAME), "repeat", true),
    joins("done, a later copy", done(), message(A, 50, LATER), "repeat"),
    joins("done, an earlier copy", done(), message(A, 7, EARLIER), "repeat"),
    joins(
      "done, a copy that joined before",
      done({ sequences: [50] }),
      message(A, 50, LATER),
      "repeat",
      true,
    ),
    decide("done, another body", done(), message(B, 50, LATER), "conflict"),
    decide("done, an earlier message with another body", done(), message(B, 7, EARLIER), "conflict"),
    decide(
      "done, the same sequence and another body: a stream made again",
      done(),
      message(B, 42, LATER),
      "conflict",
    ),
    decide(
      "done, a hash in upper case is another hash",
      done(),
      message(A.toUpperCase(), 42, SAME),
      "conflict",
    ),
    joins("done, the row's own sequence in a stream made again", done(), message(A, 42, LATER), "repeat"),
    joins(
      "done, a copy beyond those that are kept",
      done({ sequences: thirtyTwo, more: 1 }),
      message(A, 50, LATER),
      "repeat",
    ),
    decide("dead, the very message: finish its dead letter", dead(), message(A, 42, SAME), "finish"),
    decide("dead, the very message whatever its body", dead(), message(B, 42, SAME), "finish"),
    decide("dead, a later message: a replay", dead(), message(A, 50, LATER), "run"),
    decide(
      "dead, a later message with another body: a corrected order",
      dead(),
      message(B, 50, LATER),
      "run",
    ),
    joins("dead, stored a nanosecond earlier, same body", dead(), message(A, 7, EARLIER), "stale"),
    joins(
      "dead, an earlier copy that joined before",
      dead({ sequences: [3, 7] }),
      message(A, 7, EARLIER),
      "stale",
      true,
    ),
    joins(
      "dead, an earlier copy beyond those that are kept",
      dead({ sequences: thirtyTwo, more: 1 }),
      message(A, 7, EARLIER),
      "stale",
    ),
    joins(
      "dead, the row's own sequence in the stream before this one",
      dead(),
      message(A, 42, EARLIER),
      "stale",
    ),
    decide("dead, stored a nanosecond earlier, other body", dead(), message(B, 7, EARLIER), "conflict"),
    decide(
      "dead, a stream made again: lower sequence, later store time",
      dead(),
      message(A, 1, LATER),
      "run",
    ),
    decide(
      "dead, a stream made again: the same sequence, later store time",
      dead(),
      message(A, 42, LATER),
      "run",
    ),
    joins(
      "dead, a stream made again: higher sequence, earlier store time",
      dead(),
      message(A, 99, EARLIER),
      "stale",
    ),
    decide("dead, the same store time: a higher sequence is later", dead(), message(A, 43, SAME), "run"),
    joins("dead, the same store time: a lower sequence is earlier", dead(), message(A, 41, SAME), "stale"),
    decide("dead, the same store time, lower sequence, other body", dead(), message(B, 41, SAME), "conflict"),
    decide(
      "store times compare as integers, not as text",
      dead({ store_time: "999999999999999999" }),
      message(A, 50, "1000000000000000000"),
      "run",
    ),
    joins(
      "nor the other way round",
      dead({ store_time: "1000000000000000000" }),
      message(A, 50, "999999999999999999"),
      "stale",
    ),
    decide(
      "nor as doubles",
      dead({ store_time: "9007199254740992" }),
      message(A, 50, "9007199254740993"),
      "run",
    ),
    decide(
      "of a dead row's further sequences nothing follows",
      dead({ sequences: [50] }),
      message(A, 50, LATER),
      "run",
    ),
  ],
};

const facts = {
  event_id: "o-1.created",
  body_sha256: B,
  sequence: 50,
  store_time: LATER,
  member: "host-2",
  language: "ts",
  at: "2026-01-02T03:04:06.000Z",
};
const headers = { "Muster-Dlq-Reason": "exhausted", "X-A": "b" };

export const rowWriteVectors: Vectors = {
  description:
    "fn join(row, sequence), done(facts, result, earlier row or null), dead(facts, reason, headers, earlier row or null); expected: the row to write",
  cases: [
    { name: "join the first", fn: "join", row: done(), sequence: 50, expected: done({ sequences: [50] }) },
    {
      name: "join in the order of coming",
      fn: "join",
      row: done({ sequences: [60, 50] }),
      sequence: 55,
      expected: done({ sequences: [60, 50, 55] }),
    },
    {
      name: "join the 32nd",
      fn: "join",
      row: done({ sequences: thirtyTwo.slice(1) }),
      sequence: 9,
      expected: done({ sequences: [...thirtyTwo.slice(1), 9] }),
    },
    {
      name: "a stale message joins a dead row, of which all else stays",
      fn: "join",
      row: dead({ sequences: [3] }),
      sequence: 7,
      expected: dead({ sequences: [3, 7] }),
    },
    {
      name: "the 33rd of a dead row is only counted",
      fn: "join",
      row: dead({ sequences: thirtyTwo, more: 3 }),
      sequence: 7,
      expected: dead({ sequences: thirtyTwo, more: 4 }),
    },
    {
      name: "the 33rd is only counted",
      fn: "join",
      row: done({ sequences: thirtyTwo }),
      sequence: 9,
      expected: done({ sequences: thirtyTwo, more: 1 }),
    },
    {
      name: "so is the 34th",
      fn: "join",
      row: done({ sequences: thirtyTwo, more: 1 }),
      sequence: 10,
      expected: done({ sequences: thirtyTwo, more: 2 }),
    },
    {
      name: "join keeps what a newer version wrote",
      fn: "join",
      row: { ...done(), new_field: [1] },
      sequence: 50,
      expected: { ...done({ sequences: [50] }), new_field: [1] },
    },
    {
      name: "done",
      fn: "done",
      facts,
      value: { n: 1 },
      earlier: null,
      expected: { ...row, ...facts, status: "done", result: { n: 1 } },
    },
    {
      name: "done with the result null",
      fn: "done",
      facts,
      value: null,
      earlier: null,
      expected: { ...row, ...facts, status: "done", result: null },
    },
    {
      name: "done over dead",
      fn: "done",
      facts,
      value: 1,
      earlier: dead(),
      expected: { ...row, ...facts, status: "done", result: 1, sequences: [42] },
    },
    {
      name: "dead",
      fn: "dead",
      facts,
      reason: "exhausted",
      headers,
      earlier: null,
      expected: { ...row, ...facts, status: "dead", reason: "exhausted", headers },
    },
    {
      name: "dead over dead",
      fn: "dead",
      facts,
      reason: "exhausted",
      headers,
      earlier: dead({ sequences: [7] }),
      expected: { ...row, ...facts, status: "dead", reason: "exhausted", headers, sequences: [7, 42] },
    },
    {
      name: "dead over dead with a full list",
      fn: "dead",
      facts,
      reason: "exhausted",
      headers,
      earlier: dead({ sequences: thirtyTwo, more: 3 }),
      expected: {
        ...row,
        ...facts,
        status: "dead",
        reason: "exhausted",
        headers,
        sequences: thirtyTwo,
        more: 4,
      },
    },
  ],
};
