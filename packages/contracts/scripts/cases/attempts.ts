/** Whether a delivery may run by its attempts record, and what is written into the record. */
import type { Vectors } from "./write.ts";

const T = "1767323045000000000";
const entry = (attempt: number, outcome: string, more: Record<string, unknown> = {}) => ({
  attempt,
  outcome,
  member: "host-1",
  language: "py",
  version: "1.2.3",
  started_at: "2026-01-02T03:04:05.000Z",
  ...more,
});
const failedEntry = (attempt: number) =>
  entry(attempt, "failed", {
    ended_at: "2026-01-02T03:04:06.000Z",
    error_class: "RetryableError",
    error: "no answer",
    delay_ms: 1000,
  });
const lastFailure = entry(1, "failed", {
  ended_at: "2026-01-02T03:04:06.000Z",
  error_class: "RetryableError",
  error: "no answer",
});
const snoozedEntry = (attempt: number) =>
  entry(attempt, "snoozed", { ended_at: "2026-01-02T03:04:06.000Z", delay_ms: 1000 });

const record = (attempts: number, open: boolean, delivery: number, history: unknown[] = [], snoozes = 0) => ({
  v: 1,
  sequence: 42,
  store_time: T,
  event_id: "o-1.created",
  attempts,
  snoozes,
  delivery,
  open,
  history,
});

const admit = (
  name: string,
  r: unknown,
  delivered: number,
  max_attempts: number,
  decision: string,
  attempt: number,
  store_time = T,
) => ({
  name,
  record: r,
  delivered,
  store_time,
  max_attempts,
  decision,
  attempt,
});

export const admitVectors: Vectors = {
  description:
    "record (null: none), delivered, store_time of the message, max_attempts; decision and number of the attempt",
  cases: [
    admit("the first delivery", null, 1, 5, "run", 1),
    admit(
      "the second delivery without a record: its first may have killed its process",
      null,
      2,
      5,
      "suspect",
      1,
    ),
    admit("thirty deliveries without a record are no attempts", null, 30, 5, "suspect", 1),
    admit("failed once, delivered again", record(1, false, 1), 2, 5, "run", 2),
    admit("failed four times of five", record(4, false, 4), 5, 5, "run", 5),
    admit("failed five times of five", record(5, false, 5), 6, 5, "exhausted", 6),
    admit("more failures than allowed: the spec was lowered", record(5, false, 5), 6, 3, "exhausted", 6),
    admit("the spec was raised meanwhile", record(5, false, 5), 6, 10, "run", 6),
    admit("one attempt allowed, one failed", record(1, false, 1), 2, 1, "exhausted", 2),
    admit("a start that was never ended", record(1, true, 2), 3, 5, "suspect", 2),
    admit("the last allowed start was never ended", record(5, true, 7), 8, 5, "crash_loop", 6),
    admit("the delivery after the last one on record is missing", record(1, false, 1), 3, 5, "suspect", 2),
    admit("many deliveries are missing", record(2, false, 2), 20, 5, "suspect", 3),
    admit(
      "missing deliveries do not hide that attempts are used up",
      record(5, false, 5),
      20,
      5,
      "exhausted",
      6,
    ),
    admit(
      "a server crash moved the count back: the same delivery again",
      record(2, false, 3),
      3,
      5,
      "suspect",
      3,
    ),
    admit("a server crash moved the count back further", record(2, false, 9), 2, 5, "suspect", 3),
    admit("snoozed many times", record(0, false, 40, [], 40), 41, 5, "run", 1),
    admit("snoozed with one attempt left", record(4, false, 44, [], 40), 45, 5, "run", 5),
    admit(
      "a record of another message: the stream was made again",
      record(5, false, 5),
      2,
      5,
      "suspect",
      1,
      "1767323045000000001",
    ),
    admit("an open record of another message", record(5, true, 1), 2, 5, "suspect", 1, "1"),
    admit(
      "store times are text: another number of zeros is another message",
      record(5, false, 1),
      2,
      5,
      "suspect",
      1,
      `0${T}`,
    ),
    admit("a record of another message, first delivery", record(5, false, 5), 1, 5, "run", 1, "1"),
    admit("a record a newer version wrote", { ...record(1, false, 1), new_field: true }, 2, 5, "run", 2),
  ],
};

const start = (delivered: number, change: Record<string, unknown> = {}) => ({
  sequence: 42,
  store_time: T,
  event_id: "o-1.created",
  delivered,
  member: "host-1",
  language: "py",
  version: "1.2.3",
  started_at: "2026-01-02T03:04:05.000Z",
  ...change,
});
const end = { ended_at: "2026-01-02T03:04:06.000Z", delay_ms: 1000 };
const failure = (delivered: number, change: Record<string, unknown> = {}) =>
  start(delivered, { ...end, error_class: "RetryableError", error: "no answer", ...change });
const snooze = (delivered: number, change: Record<string, unknown> = {}) =>
  start(delivered, { ...end, ...change });

const write = (name: string, fn: string, r: unknown, facts: unknown, result: unknown) => ({
  name,
  fn,
  record: r,
  facts,
  result,
});

const noted = record(2, true, 3, [failedEntry(1), entry(2, "started")]);
const byOther = record(2, true, 3, [failedEntry(1), { ...entry(2, "started"), member: "host-2" }]);
const twenty = Array.from({ length: 20 }, (_, i) => failedEntry(i + 1));

export const attemptWriteVectors: Vectors = {
  description:
    "fn note_start, record_failure, record_snooze; record (null: none) and facts of the delivery; result: the record to write",
  cases: [
    write(
      "a start without a record",
      "note_start",
      null,
      start(2),
      record(1, true, 2, [entry(1, "started")]),
    ),
    write(
      "a start after a failure",
      "note_start",
      record(1, false, 1, [failedEntry(1)]),
      start(3),
      record(2, true, 3, [failedEntry(1), entry(2, "started")]),
    ),
    write(
      "a start after one that never ended",
      "note_start",
      noted,
      start(4),
      record(3, true, 4, [failedEntry(1), entry(2, "started"), entry(3, "started")]),
    ),
    write(
      "a start keeps the snoozes",
      "note_start",
      record(0, false, 3, [], 3),
      start(5),
      record(1, true, 5, [entry(1, "started")], 3),
    ),
    write(
      "of 21 entries the last 20 stay",
      "note_start",
      record(20, false, 20, twenty),
      start(22),
      record(21, true, 22, [...twenty.slice(1), entry(21, "started")]),
    ),
    write(
      "a start of another message begins anew",
      "note_start",
      { ...record(4, true, 9, twenty, 2), store_time: "1", event_id: "other" },
      start(2),
      record(1, true, 2, [entry(1, "started")]),
    ),

    write("the first failure", "record_failure", null, failure(1), record(1, false, 1, [failedEntry(1)])),
    write(
      "the second failure",
      "record_failure",
      record(1, false, 1, [failedEntry(1)]),
      failure(2),
      record(2, false, 2, [failedEntry(1), failedEntry(2)]),
    ),
    write(
      "a failure of a noted start is not counted twice",
      "record_failure",
      noted,
      failure(3),
      record(2, false, 3, [failedEntry(1), failedEntry(2)]),
    ),
    write(
      "a start noted by another member stays",
      "record_failure",
      byOther,
      failure(3),
      record(3, false, 3, [...byOther.history, failedEntry(3)]),
    ),
    write(
      "a start noted in another delivery stays",
      "record_failure",
      noted,
      failure(4),
      record(3, false, 4, [...noted.history, failedEntry(3)]),
    ),
    write(
      "a re-created consumer counts from 1: the record goes on",
      "record_failure",
      record(3, false, 3, [failedEntry(1), failedEntry(2), failedEntry(3)]),
      failure(1),
      record(4, false, 1, [failedEntry(1), failedEntry(2), failedEntry(3), failedEntry(4)]),
    ),
    write(
      "a failure of another message begins anew",
      "record_failure",
      { ...record(4, false, 4, twenty), store_time: "1" },
      failure(1),
      record(1, false, 1, [failedEntry(1)]),
    ),
    write(
      "a failure that is not tried again has no delay",
      "record_failure",
      null,
      failure(1, { delay_ms: undefined }),
      record(1, false, 1, [lastFailure]),
    ),
    write(
      "an error is kept as header text",
      "record_failure",
      null,
      failure(1, { error: ` bü\n${"x".repeat(2000)}` }),
      record(1, false, 1, [{ ...failedEntry(1), error: `b\\u00fc\\u000a${"x".repeat(1011)}` }]),
    ),
    write(
      "the 21st failure: the last 20 entries stay",
      "record_failure",
      record(20, false, 20, twenty),
      failure(21),
      record(21, false, 21, [...twenty.slice(1), failedEntry(21)]),
    ),

    write(
      "the first snooze is no attempt",
      "record_snooze",
      null,
      snooze(1),
      record(0, false, 1, [snoozedEntry(1)], 1),
    ),
    write(
      "the next snooze",
      "record_snooze",
      record(0, false, 1, [snoozedEntry(1)], 1),
      snooze(2),
      record(0, false, 2, [snoozedEntry(1), snoozedEntry(1)], 2),
    ),
    write(
      "a snooze of a noted start takes its count back",
      "record_snooze",
      noted,
      snooze(3),
      record(1, false, 3, [failedEntry(1), snoozedEntry(2)], 1),
    ),
    write(
      "a snooze beside another member's note",
      "record_snooze",
      byOther,
      snooze(3),
      record(2, false, 3, [...byOther.history, snoozedEntry(3)], 1),
    ),
    write(
      "unknown fields of a newer version stay",
      "record_failure",
      { ...record(1, false, 1, [failedEntry(1)]), new_field: { a: 1 } },
      failure(2),
      { ...record(2, false, 2, [failedEntry(1), failedEntry(2)]), new_field: { a: 1 } },
    ),
  ],
};
