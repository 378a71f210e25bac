// A ledger row in the columns of its table, as packages/contracts/migrations has them.
import { LedgerRow } from "@muster/contracts";
import type { SettledRow } from "./ledgers.ts";

/** What the account needs of a row. The driver gives a bigint as text. */
export type SettledColumns = {
  grp: string;
  event_hash: string;
  status: string;
  event_id: string;
  sequence: string;
  store_time: string;
  sequences: string[];
  more: string;
};

/** A whole row. */
export type RowColumns = Omit<SettledColumns, "grp" | "event_hash"> & {
  body_sha256: string;
  result: string | null;
  reason: string | null;
  headers: string | null;
  member: string;
  language: string;
  at: string;
};

export const settledColumns = "grp, event_hash, status, event_id, sequence, store_time, sequences, more";

export const rowColumns =
  "status, event_id, body_sha256, sequence, store_time, sequences, more, result, reason, headers, member, " +
  `language, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at`;

/** The document that stands in the columns; nothing where it is none. */
export function toRow(columns: RowColumns): LedgerRow | undefined {
  const { result, reason, headers } = columns;
  return read(() => {
    const row = LedgerRow.safeParse({
      v: 1,
      ...common(columns),
      body_sha256: columns.body_sha256,
      ...(result === null ? {} : { result: JSON.parse(result) as unknown }),
      ...(reason === null ? {} : { reason }),
      ...(headers === null ? {} : { headers: JSON.parse(headers) as unknown }),
      member: columns.member,
      language: columns.language,
      at: columns.at,
    });
    return row.data;
  });
}

const Settled = LedgerRow.pick({
  status: true,
  event_id: true,
  sequence: true,
  store_time: true,
  sequences: true,
  more: true,
});

/** What the account needs of the row; nothing where it cannot be read. */
export function toSettled(columns: SettledColumns): SettledRow | undefined {
  return read(() => {
    const row = Settled.safeParse(common(columns)).data;
    return row === undefined ? undefined : { ...row, group: columns.grp };
  });
}

function common(columns: Omit<SettledColumns, "grp" | "event_hash">) {
  return {
    status: columns.status,
    // It stands there as inside a JSON string.
    event_id: JSON.parse(`"${columns.event_id}"`) as unknown,
    sequence: Number(columns.sequence),
    store_time: columns.store_time,
    sequences: columns.sequences.map(Number),
    more: Number(columns.more),
  };
}

function read<T>(row: () => T): T | undefined {
  try {
    return row();
  } catch {
    return undefined;
  }
}
