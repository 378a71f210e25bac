/** Every vector of the pure rules, one describe per file. */
import { describe, expect, test } from "vitest";
import {
  type AttemptFailure,
  type AttemptsRecord,
  admit,
  archiveSubject,
  attemptsKey,
  backoffDelayMs,
  checkName,
  checkStream,
  checkSubject,
  type DeadLetterFacts,
  deadLetterHeaders,
  deadLetterId,
  deadRow,
  decideRow,
  dlqSubject,
  doneRow,
  eventIdOf,
  fingerprint,
  groupKey,
  headerText,
  isName,
  isStream,
  isSubject,
  joinRow,
  type LedgerRow,
  ledgerKey,
  memberKey,
  memberSubject,
  noteStart,
  parseAckReply,
  recordFailure,
  recordSnooze,
  replayMsgId,
  replaySubject,
  type RowFacts,
  rowKnows,
  stripReplayPrefix,
} from "../src/index.ts";
import { camelCase, vectors } from "./vectors.ts";

type Any = (...args: never[]) => unknown;

const functions: Record<string, Any> = {
  replay: replaySubject,
  strip: stripReplayPrefix,
  dlq: dlqSubject,
  archive: archiveSubject,
  member: memberSubject,
};
const keys: Record<string, Any> = {
  group: groupKey,
  member: memberKey,
  attempts: attemptsKey,
  ledger: ledgerKey,
};

interface Call {
  fn: string;
  args: never[];
  result: unknown;
}

test.each(vectors<Call>("subjects"))("subjects.json: $name", ({ fn, args, result }) => {
  expect(functions[fn]?.(...args)).toBe(result);
});

test.each(vectors<Call>("keys"))("keys.json: $name", ({ fn, args, result }) => {
  expect(keys[fn]?.(...args)).toBe(result);
});

interface IdVector extends Call {
  headers: Record<string, string>;
  stream: string;
  seq: number;
  store_time: string;
}

test.each(vectors<IdVector>("ids"))("ids.json: $name", (v) => {
  if (v.fn === "event_id") {
    expect(eventIdOf(v.headers, v.stream, v.seq, v.store_time)).toBe(v.result);
    expect(eventIdOf(new Map(Object.entries(v.headers)), v.stream, v.seq, v.store_time)).toBe(v.result);
  } else {
    const fn: Any = v.fn === "replay_msg_id" ? replayMsgId : deadLetterId;
    expect(fn(...v.args)).toBe(v.result);
  }
});

test.each(vectors<{ kind: string; value: string; valid: boolean }>("names"))("names.json: $name", (v) => {
  const is = { name: isName, stream: isStream, subject: isSubject }[v.kind];
  const check = { name: (s: string) => checkName("group", s), stream: checkStream, subject: checkSubject }[
    v.kind
  ];
  expect(is?.(v.value)).toBe(v.valid);
  if (v.valid) expect(check?.(v.value)).toBe(v.value);
  else expect(() => check?.(v.value)).toThrow(expect.objectContaining({ code: "bad_name" }));
});

test.each(vectors<{ subject: string; result: unknown }>("replies"))("replies.json: $name", (v) => {
  const reply = parseAckReply(v.subject);
  const { storeTime, ...rest } = reply ?? {};
  expect(reply ? { ...rest, store_time: storeTime } : null).toEqual(v.result);
});

interface BackoffVector {
  backoff_ms: number[];
  jitter: number;
  attempt: number;
  random: number;
  delay_ms: number;
}

test.each(vectors<BackoffVector>("backoff"))("backoff.json: $name", (v) => {
  expect(backoffDelayMs(v, v.attempt, v.random)).toBe(v.delay_ms);
});

interface TextVector {
  fn: string;
  value: string;
  max?: number;
  reason: string;
  error: string;
  result: string;
}

test.each(vectors<TextVector>("texts"))("texts.json: $name", (v) => {
  const text = v.fn === "header_text" ? headerText(v.value, v.max) : fingerprint(v.reason, v.error);
  expect(text).toBe(v.result);
});

interface HeadersVector {
  original: Record<string, string>;
  facts: Record<string, unknown>;
  limit_bytes: number;
  result: Record<string, string>;
}

test.each(vectors<HeadersVector>("headers"))("headers.json: $name", (v) => {
  const facts = camelCase<DeadLetterFacts>(v.facts);
  expect(deadLetterHeaders(v.original, facts, v.limit_bytes)).toEqual(v.result);
});

interface RowVector {
  row: LedgerRow | null;
  message: { body_sha256: string; sequence: number; store_time: string };
  decision: string;
  knows?: boolean;
}

test.each(vectors<RowVector>("rows"))("rows.json: $name", ({ row, message, decision, knows }) => {
  const { body_sha256: bodySha256, sequence, store_time: storeTime } = message;
  expect(decideRow(row ?? undefined, { bodySha256, sequence, storeTime })).toBe(decision);
  if (row && knows !== undefined) expect(rowKnows(row, { sequence, storeTime })).toBe(knows);
});

interface RowWriteVector {
  fn: "join" | "done" | "dead";
  row: LedgerRow;
  sequence: number;
  facts: Record<string, unknown>;
  value: unknown;
  reason: "exhausted";
  headers: Record<string, string>;
  earlier: LedgerRow | null;
  expected: unknown;
}

test.each(vectors<RowWriteVector>("row-writes"))("row-writes.json: $name", (v) => {
  const facts = camelCase<RowFacts>(v.facts ?? {});
  const earlier = v.earlier ?? undefined;
  const row = {
    join: () => joinRow(v.row, v.sequence),
    done: () => doneRow(facts, v.value, earlier),
    dead: () => deadRow(facts, { reason: v.reason, headers: v.headers }, earlier),
  }[v.fn]();
  expect(row).toEqual(v.expected);
});

interface AdmitVector {
  record: AttemptsRecord | null;
  delivered: number;
  store_time: string;
  max_attempts: number;
  decision: string;
  attempt: number;
}

test.each(vectors<AdmitVector>("admits"))("admits.json: $name", (v) => {
  const message = { delivered: v.delivered, storeTime: v.store_time, maxAttempts: v.max_attempts };
  expect(admit(v.record ?? undefined, message)).toEqual({ decision: v.decision, attempt: v.attempt });
});

interface AttemptWriteVector {
  fn: "note_start" | "record_failure" | "record_snooze";
  record: AttemptsRecord | null;
  facts: Record<string, unknown>;
  result: unknown;
}

describe("attempt-writes.json", () => {
  const writes = { note_start: noteStart, record_failure: recordFailure, record_snooze: recordSnooze };
  test.each(vectors<AttemptWriteVector>("attempt-writes"))("$name", ({ fn, record, facts, result }) => {
    const write = writes[fn];
    const told = camelCase<AttemptFailure & { delayMs: number }>(facts);
    const before = structuredClone(record);
    expect(write(record ?? undefined, told)).toStrictEqual(result);
    expect(record, "the record given is left alone").toEqual(before);
  });
});
