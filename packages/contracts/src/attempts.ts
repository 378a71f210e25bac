import { type AttemptEntry, type AttemptsRecord, MAX_HISTORY } from "./attempts-record.ts";
import { headerText } from "./texts.ts";
import type { Language } from "./values.ts";

/** What a delivery may do. A suspect may have killed its last process: it runs alone. */
export type Admission = "run" | "suspect" | "exhausted" | "crash_loop";

/** Whether a delivery may run, and the number of its attempt (1-based). */
export function admit(
  record: AttemptsRecord | undefined,
  message: { delivered: number; storeTime: string; maxAttempts: number },
): { decision: Admission; attempt: number } {
  const { delivered, storeTime, maxAttempts } = message;
  const known = ofMessage(record, storeTime);
  const attempt = (known?.attempts ?? 0) + 1;
  if (known && known.attempts >= maxAttempts) {
    return { decision: known.open ? "crash_loop" : "exhausted", attempt };
  }
  if (delivered <= 1) return { decision: "run", attempt };
  const reported = known && !known.open && known.delivery === delivered - 1;
  return { decision: reported ? "run" : "suspect", attempt };
}

/** A delivery whose start or end is put on record. Times are RFC 3339. */
export interface AttemptStart {
  sequence: number;
  storeTime: string;
  eventId: string;
  delivered: number;
  member: string;
  language: Language;
  version: string;
  startedAt: string;
}

/** How an attempt failed; without `delayMs` it is not tried again. */
export interface AttemptFailure extends AttemptStart {
  endedAt: string;
  errorClass: string;
  error: string;
  delayMs?: number;
}

/** The start note of a suspect: counted before the handler runs, for it may never report back. */
export function noteStart(record: AttemptsRecord | undefined, start: AttemptStart): AttemptsRecord {
  const before = ofMessage(record, start.storeTime) ?? emptyRecord(start);
  return {
    ...before,
    attempts: before.attempts + 1,
    open: true,
    delivery: start.delivered,
    history: lastOf([...before.history, startEntry(before, start)]),
  };
}

/** The record after a failed attempt; one whose start was noted is not counted twice. */
export function recordFailure(record: AttemptsRecord | undefined, failure: AttemptFailure): AttemptsRecord {
  const { before, noted, entry, history } = settle(record, failure);
  const { endedAt, errorClass, error, delayMs } = failure;
  const failed: AttemptEntry = {
    ...entry,
    outcome: "failed",
    ended_at: endedAt,
    error_class: headerText(errorClass),
    error: headerText(error),
    ...(delayMs === undefined ? {} : { delay_ms: delayMs }),
  };
  return {
    ...before,
    attempts: before.attempts + (noted ? 0 : 1),
    open: false,
    delivery: failure.delivered,
    history: lastOf([...history, failed]),
  };
}

/** The record after a snooze, which is no attempt: a noted start is taken back. */
export function recordSnooze(
  record: AttemptsRecord | undefined,
  snooze: AttemptStart & { endedAt: string; delayMs: number },
): AttemptsRecord {
  const { before, noted, entry, history } = settle(record, snooze);
  const { endedAt, delayMs } = snooze;
  const snoozed: AttemptEntry = {
    ...entry,
    outcome: "snoozed",
    ended_at: endedAt,
    delay_ms: delayMs,
  };
  return {
    ...before,
    attempts: before.attempts - (noted ? 1 : 0),
    snoozes: before.snoozes + 1,
    open: false,
    delivery: snooze.delivered,
    history: lastOf([...history, snoozed]),
  };
}

/** Error class and error of a message that is dead on admission. */
export function lastError(record: AttemptsRecord): { errorClass: string; error: string } {
  const entry = record.history.findLast((e) => e.error);
  if (entry?.error) {
    return { errorClass: entry.error_class ?? "Error", error: entry.error };
  }
  return { errorClass: "NeverReported", error: "handler started and never reported back" };
}

// Another store time is another message under the same sequence: its record says nothing of ours.
function ofMessage(record: AttemptsRecord | undefined, storeTime: string) {
  return record?.store_time === storeTime ? record : undefined;
}

function emptyRecord(start: AttemptStart): AttemptsRecord {
  return {
    v: 1,
    sequence: start.sequence,
    store_time: start.storeTime,
    event_id: start.eventId,
    attempts: 0,
    snoozes: 0,
    delivery: 0,
    open: false,
    history: [],
  };
}

function startEntry(before: AttemptsRecord, start: AttemptStart): AttemptEntry {
  return {
    attempt: before.attempts + 1,
    outcome: "started",
    member: start.member,
    language: start.language,
    version: start.version,
    started_at: start.startedAt,
  };
}

// The entry to end: the last one where it is the note of this very delivery, else a new one.
function settle(record: AttemptsRecord | undefined, start: AttemptStart) {
  const before = ofMessage(record, start.storeTime) ?? emptyRecord(start);
  const last = before.history.at(-1);
  const noted =
    before.open &&
    before.delivery === start.delivered &&
    last?.outcome === "started" &&
    last.member === start.member;
  return noted
    ? { before, noted, entry: last, history: before.history.slice(0, -1) }
    : { before, noted: false, entry: startEntry(before, start), history: before.history };
}

function lastOf(history: AttemptEntry[]): AttemptEntry[] {
  return history.slice(-MAX_HISTORY);
}
