import { deadRow, doneRow, LedgerRow, MusterError, sha256Hex } from "@muster/contracts";
import { isoTime } from "../clock.ts";
import type { RowWrite } from "./ledger.ts";

/** A row on its way into the table: under which key, and over which revision. */
export interface RowToWrite {
  readonly hash: string;
  readonly row: LedgerRow;
  /** 0: there must be no row. */
  readonly revision: number;
}

/** What the look-up selects. The driver gives a bigint as text. */
export interface RowColumns {
  readonly revision: string;
  readonly status: string;
  readonly event_id: string;
  readonly body_sha256: string;
  readonly sequence: string;
  readonly store_time: string;
  readonly sequences: readonly string[];
  readonly more: string;
  readonly result: string | null;
  readonly reason: string | null;
  readonly headers: string | null;
  readonly member: string;
  readonly language: string;
  readonly at: string;
}

/** The row that a write asks for. */
export function rowToWrite({ message, lookUp, content }: RowWrite, member: string): RowToWrite {
  const { eventId, bodySha256, sequence, storeTime } = message;
  const facts = { eventId, bodySha256, sequence, storeTime, member, language: "ts" as const, at: isoTime() };
  const row =
    content.status === "done"
      ? doneRow(facts, content.result, lookUp.row)
      : deadRow(facts, { reason: content.reason, headers: content.headers }, lookUp.row);
  return { hash: sha256Hex(eventId), row, revision: lookUp.revision };
}

/** The document that stands in the columns. Throws `unreachable` where it is none: it must not be overwritten. */
export function readRow(columns: RowColumns): LedgerRow {
  const { result, reason, headers } = columns;
  try {
    const row: unknown = {
      v: 1,
      status: columns.status,
      event_id: JSON.parse(`"${columns.event_id}"`),
      body_sha256: columns.body_sha256,
      sequence: Number(columns.sequence),
      store_time: columns.store_time,
      sequences: columns.sequences.map(Number),
      more: Number(columns.more),
      ...(result === null ? {} : { result: JSON.parse(result) }),
      ...(reason === null ? {} : { reason }),
      ...(headers === null ? {} : { headers: JSON.parse(headers) }),
      member: columns.member,
      language: columns.language,
      at: columns.at,
    };
    LedgerRow.parse(row);
    // Not what the schema gives back: it leaves out a header called __proto__.
    return row as LedgerRow;
  } catch (cause) {
    throw new MusterError("unreachable", `ledger row of ${columns.event_id} cannot be read`, { cause });
  }
}

/** The columns of a row that is new, which has no further sequences yet; in the order of `newRowColumns`. */
export function columnsOfNew({ hash, row }: RowToWrite): unknown[] {
  const { status, body_sha256, sequence, store_time, result, reason, headers, member, language, at } = row;
  const eventId = asciiJson(row.event_id).slice(1, -1);
  const texts = [jsonText(result), reason ?? null, jsonText(headers)];
  return [hash, status, eventId, body_sha256, sequence, store_time, ...texts, member, language, at];
}

export const newRowColumns =
  "event_hash, status, event_id, body_sha256, sequence, store_time, result, reason, headers, member, language, at";

/** A value as it stands in its column; `undefined` is none. */
export function jsonText(value: unknown): string | null {
  return value === undefined ? null : asciiJson(value);
}

/** JSON that any text column holds, in any encoding of the database: without NUL, without non-ASCII. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\0-~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
