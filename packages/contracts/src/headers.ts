import type { AttemptEntry } from "./attempts-record.ts";
import type { DeadLetterReason } from "./dead-letter.ts";
import { deadLetterId, replayMsgId } from "./ids.ts";
import { fingerprint, headerText } from "./texts.ts";
import type { Language } from "./values.ts";

/** What a dead letter tells of its message. Times are RFC 3339. */
export interface DeadLetterFacts {
  stream: string;
  seq: number;
  storeTime: string;
  /** As its publisher knew it, without the replay prefix. */
  subject: string;
  group: string;
  reason: DeadLetterReason;
  errorClass: string;
  error: string;
  /** Attempts that counted, this one included. */
  attempts: number;
  firstAt: string;
  lastAt: string;
  member: string;
  language: Language;
  /** Of the application. */
  version: string;
  contract: string;
  eventId: string;
  replayNumber: number;
  history: readonly AttemptEntry[];
}

/** The largest header block that a JetStream message may have: beyond it no stream takes the dead letter. */
export const MAX_HEADER_BYTES = 65_535;

/** Names that every client publishes: the tokens of HTTP. nats.go and nats-py refuse all others. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const HISTORY = "Muster-Dlq-History";
const EVENT_ID = "Muster-Event-Id";

/**
 * The headers of a dead letter. `limitBytes` is max_payload − body − 1024; what does not fit into
 * it goes: history entries, oldest first, then copied headers, largest first.
 */
export function deadLetterHeaders(
  original: Readonly<Record<string, string>>,
  facts: DeadLetterFacts,
  limitBytes: number,
): Record<string, string> {
  const copies = copiedHeaders(original);
  const ours = ownHeaders(facts);
  const room = Math.min(limitBytes, MAX_HEADER_BYTES) - headerBytes(Object.entries(ours));
  const letter = new Map(copies);
  let size = copies.reduce((sum, header) => sum + entryBytes(header), 0);

  const history = fittingHistory(facts.history, room - size);
  if (history === undefined) {
    for (const header of copies.toSorted(largestFirst)) {
      if (size <= room) break;
      letter.delete(header[0]);
      size -= entryBytes(header);
    }
  }
  // fromEntries defines each property: a header called __proto__ is an ordinary one.
  return Object.fromEntries([
    ...letter,
    ...Object.entries(ours),
    ...(history === undefined ? [] : [[HISTORY, history] as const]),
  ]);
}

/** The headers of a replay: those of the message, its event id, one more on the replay number. */
export function replayHeaders(deadLetter: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(deadLetter).filter(([name]) => !/^(muster-dlq|nats)-/i.test(name));
  const contract = deadLetter["Muster-Contract"] || deadLetter["Muster-Dlq-Contract"];
  return Object.fromEntries([
    ...kept,
    ["Nats-Msg-Id", replayMsgId(deadLetter["Muster-Dlq-Id"] ?? "")],
    [EVENT_ID, fullEventId(deadLetter)],
    ...(contract ? [["Muster-Contract", contract] as const] : []),
    ["Muster-Replay-Number", String(replayNumberOf(deadLetter["Muster-Dlq-Replay-Number"]) + 1)],
  ]);
}

/** How often the message says it was replayed; anything odd counts as 0. */
export function replayNumberOf(value: string | undefined): number {
  return value !== undefined && /^[0-9]{1,9}$/.test(value) ? Number(value) : 0;
}

// Names that begin `Nats-` the server would obey, forged facts of ours a reader would believe.
function copiedHeaders(original: Readonly<Record<string, string>>): [string, string][] {
  const copies: [string, string][] = [];
  for (const [name, value] of Object.entries(original)) {
    if (!HEADER_NAME.test(name) || /^muster-dlq-/i.test(name)) continue;
    const copy = /^nats-/i.test(name) ? `Muster-Original-${name}` : name;
    if (copy !== name && Object.hasOwn(original, copy)) continue;
    copies.push([copy, headerText(value, Number.POSITIVE_INFINITY)]);
  }
  return copies;
}

function ownHeaders(facts: DeadLetterFacts): Record<string, string> {
  const id = deadLetterId(facts.group, facts.eventId, facts.seq, facts.storeTime);
  return {
    "Nats-Msg-Id": id,
    "Muster-Dlq-Id": id,
    "Muster-Dlq-Stream": facts.stream,
    "Muster-Dlq-Seq": String(facts.seq),
    "Muster-Dlq-Store-Time": facts.storeTime,
    "Muster-Dlq-Subject": headerText(facts.subject),
    "Muster-Dlq-Group": facts.group,
    "Muster-Dlq-Reason": facts.reason,
    "Muster-Dlq-Error-Class": headerText(facts.errorClass),
    "Muster-Dlq-Error": headerText(facts.error),
    "Muster-Dlq-Attempts": String(facts.attempts),
    "Muster-Dlq-First-At": facts.firstAt,
    "Muster-Dlq-Last-At": facts.lastAt,
    "Muster-Dlq-Member": facts.member,
    "Muster-Dlq-Language": facts.language,
    "Muster-Dlq-Version": headerText(facts.version),
    "Muster-Dlq-Contract": headerText(facts.contract),
    "Muster-Dlq-Event-Id": headerText(facts.eventId),
    "Muster-Dlq-Replay-Number": String(facts.replayNumber),
    "Muster-Dlq-Fingerprint": fingerprint(facts.reason, facts.error),
  };
}

function fittingHistory(history: readonly AttemptEntry[], room: number): string | undefined {
  for (let from = 0; from < history.length; from++) {
    const json = asciiJson(history.slice(from));
    if (entryBytes([HISTORY, json]) <= room) return json;
  }
  return undefined;
}

// A client cut the copy of a very long event id from Muster-Dlq-Event-Id; the message's own header
// has it whole. Forged or other headers do not begin alike.
function fullEventId(deadLetter: Readonly<Record<string, string>>): string {
  const told = deadLetter["Muster-Dlq-Event-Id"] ?? "";
  const sources = [deadLetter[EVENT_ID], deadLetter["Muster-Original-Nats-Msg-Id"]];
  return sources.find((id) => id !== undefined && headerText(id) === told) ?? told;
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

// The names and values are ASCII by now: characters are bytes.
function headerBytes(headers: [string, string][]): number {
  return headers.reduce((sum, header) => sum + entryBytes(header), 12);
}

function entryBytes([name, value]: [string, string]): number {
  return name.length + value.length + 4;
}

function largestFirst(a: [string, string], b: [string, string]): number {
  return entryBytes(b) - entryBytes(a) || (a[0] < b[0] ? 1 : -1);
}
