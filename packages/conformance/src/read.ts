import {
  AttemptsRecord,
  buckets,
  createVerdict,
  DeadLetterHeaders,
  dlqFilter,
  dlqStream,
  LedgerRow,
  MemberRecord,
  protocolSchemas,
} from "@muster/contracts";
import type { JetStreamManager, StoredMsg } from "@nats-io/jetstream";

/** A value of a bucket with its revision. */
export interface Entry<T> {
  readonly key: string;
  readonly revision: number;
  readonly value: T;
}

/** A dead letter as it lies in its stream. */
export interface DeadLetter {
  readonly subject: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** Every message of a stream under a subject filter, oldest first. */
export async function readAll(jsm: JetStreamManager, stream: string, filter: string): Promise<StoredMsg[]> {
  const messages: StoredMsg[] = [];
  for (let seq = 1; ; seq = (messages.at(-1)?.seq ?? 0) + 1) {
    const message = await jsm.direct.getMessage(stream, { seq, next_by_subj: filter });
    if (message === null) return messages;
    messages.push(message);
  }
}

/** The dead letters of a group; each must have the headers that the schema asks for. */
export async function readDeadLetters(jsm: JetStreamManager, stream: string, group: string): Promise<DeadLetter[]> {
  const messages = await readAll(jsm, dlqStream(stream), dlqFilter(stream, group));
  return messages.map((message) => {
    const headers = headersOf(message);
    DeadLetterHeaders.parse(headers);
    return { subject: message.subject, body: message.data, headers };
  });
}

/** The revisions of all ledger rows under a prefix of keys, oldest first. */
export function readRows(jsm: JetStreamManager, prefix: string): Promise<Entry<LedgerRow>[]> {
  return readHistory(jsm, buckets.ledger, `${prefix}.>`, (bytes) => LedgerRow.parse(judged("ledger-row", bytes)));
}

/** One row, or undefined. */
export function readRow(jsm: JetStreamManager, key: string): Promise<Entry<LedgerRow> | undefined> {
  return readLast(jsm, buckets.ledger, key, (bytes) => LedgerRow.parse(judged("ledger-row", bytes)));
}

/** One attempts record, or undefined where there is none or it was deleted. */
export function readAttempts(jsm: JetStreamManager, key: string): Promise<Entry<AttemptsRecord> | undefined> {
  return readLast(jsm, buckets.attempts, key, (bytes) => AttemptsRecord.parse(judged("attempts-record", bytes)));
}

/** One member's record, or undefined where it is not there, has expired or was deleted. */
export function readMember(jsm: JetStreamManager, key: string): Promise<Entry<MemberRecord> | undefined> {
  return readLast(jsm, buckets.members, key, (bytes) => MemberRecord.parse(judged("member-record", bytes)));
}

/** Header name → last value. */
export function headersOf(message: StoredMsg): Record<string, string> {
  return Object.fromEntries([...message.header.keys()].map((name) => [name, message.header.values(name).at(-1) ?? ""]));
}

/** The store time as an ack reply tells it: nanoseconds since 1970. */
export function storeTimeOf(message: StoredMsg): string {
  const [, seconds = "", fraction = ""] = /^(.*?)(?:\.([0-9]+))?Z$/.exec(message.timestamp) ?? [];
  return `${BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0"))}`;
}

const verdicts = new Map<string, ReturnType<typeof createVerdict>>();

// The schema that all languages read, not only Zod's reading of it.
function judged(schema: string, bytes: Uint8Array): unknown {
  const verdict = verdicts.get(schema) ?? createVerdict(schema, protocolSchemas[schema]);
  verdicts.set(schema, verdict);
  const judgement = verdict(bytes);
  if (!judgement.ok) throw new Error(`${judgement.error}: ${new TextDecoder().decode(bytes)}`);
  return judgement.value;
}

async function readLast<T>(
  jsm: JetStreamManager,
  bucket: string,
  key: string,
  parse: (bytes: Uint8Array) => T,
): Promise<Entry<T> | undefined> {
  const message = await jsm.direct.getMessage(`KV_${bucket}`, { last_by_subj: `$KV.${bucket}.${key}` });
  if (message === null || isMarker(message)) return undefined;
  return { key, revision: message.seq, value: parse(message.data) };
}

async function readHistory<T>(
  jsm: JetStreamManager,
  bucket: string,
  keys: string,
  parse: (bytes: Uint8Array) => T,
): Promise<Entry<T>[]> {
  const messages = await readAll(jsm, `KV_${bucket}`, `$KV.${bucket}.${keys}`);
  return messages
    .filter((message) => !isMarker(message))
    .map((message) => ({
      key: message.subject.slice(`$KV.${bucket}.`.length),
      revision: message.seq,
      value: parse(message.data),
    }));
}

function isMarker(message: StoredMsg): boolean {
  return message.header.has("KV-Operation") || message.header.has("Nats-Marker-Reason");
}
