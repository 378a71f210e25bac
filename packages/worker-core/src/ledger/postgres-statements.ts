import { escapeLiteral } from "pg";
import { columnsOfNew, jsonText, newRowColumns } from "./postgres-rows.ts";
import type { RowToWrite } from "./postgres-rows.ts";
import type { Statement } from "./postgres-session.ts";

const key = "stream = $1 and grp = $2 and event_hash = $3";

/** The SQL of one group's rows. */
export class Statements {
  readonly #stream: string;
  readonly #group: string;

  constructor(stream: string, group: string) {
    this.#stream = stream;
    this.#group = group;
  }

  /** Finds a row. */
  select(hash: string): Statement {
    return {
      name: "muster_select",
      text:
        "select revision, status, event_id, body_sha256, sequence, store_time, sequences, more, result, reason, " +
        `headers, member, language, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at ` +
        `from muster_ledger where ${key}`,
      values: [this.#stream, this.#group, hash],
    };
  }

  /** Makes rows where there are none, and gives back the hashes of those it made. No hash may be given twice. */
  insertNew(rows: readonly RowToWrite[]): Statement {
    const columns = rows.map(columnsOfNew);
    return {
      name: "muster_insert_new",
      text:
        `insert into muster_ledger (stream, grp, ${newRowColumns}) select $1, $2, r.* ` +
        "from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[], " +
        "$10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[]) as r " +
        "on conflict (stream, grp, event_hash) do nothing returning event_hash",
      values: [this.#stream, this.#group, ...transpose(columns)],
    };
  }

  /** Makes a row, and fails where there is one: so the commit need not wait for the answer. */
  insert(row: RowToWrite): Statement {
    return {
      name: "muster_insert",
      text:
        `insert into muster_ledger (stream, grp, ${newRowColumns}) ` +
        "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
      values: [this.#stream, this.#group, ...columnsOfNew(row)],
    };
  }

  /** Writes over a dead row of that revision. */
  update({ hash, row, revision }: RowToWrite): Statement {
    const { status, body_sha256, sequence, store_time, sequences, more, result, reason, headers } = row;
    const where = [this.#stream, this.#group, hash, revision];
    const what = [
      status,
      body_sha256,
      sequence,
      store_time,
      sequences,
      more,
      jsonText(result),
      reason ?? null,
    ];
    return {
      name: "muster_update",
      text:
        "update muster_ledger set revision = revision + 1, status = $5, body_sha256 = $6, sequence = $7, " +
        "store_time = $8, sequences = $9, more = $10, result = $11, reason = $12, headers = $13, member = $14, " +
        `language = $15, at = $16 where ${key} and revision = $4 and status = 'dead'`,
      values: [...where, ...what, jsonText(headers), row.member, row.language, row.at],
    };
  }

  /** Notes further sequences in a row of that revision. */
  join({ hash, row, revision }: RowToWrite): Statement {
    return {
      name: "muster_join",
      text: `update muster_ledger set revision = revision + 1, sequences = $5, more = $6 where ${key} and revision = $4`,
      values: [this.#stream, this.#group, hash, revision, row.sequences, row.more],
    };
  }

  /** Shows whether a row could be made, and makes none. */
  tryInsert(member: string): Statement {
    const names = [this.#stream, this.#group, `reachable ${member}`].map(escapeLiteral).join(", ");
    return {
      text:
        "begin; insert into muster_ledger (stream, grp, event_hash, status, event_id, body_sha256, sequence, " +
        `store_time, member, language, at) values (${names}, 'done', '', '', 0, '', '', '', now()) ` +
        "on conflict do nothing; rollback",
    };
  }
}

function transpose(rows: readonly (readonly unknown[])[]): unknown[][] {
  return Array.from({ length: rows[0]?.length ?? 0 }, (_, column) => rows.map((row) => row[column]));
}
