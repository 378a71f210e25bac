import type { LedgerRow } from "@muster/contracts";
import type { PostgresServer } from "@muster/testkit";
import type { JetStreamClient } from "@nats-io/jetstream";
import { type AccountOf, type Letter, readLetters, readRows } from "../demo/account.ts";

/** What the account needs of a revision of a ledger row. */
export type Row = Pick<LedgerRow, "status" | "sequence" | "store_time" | "body_sha256" | "language">;

/** Everything that is left of the orders of a group. */
export type Books = {
  /** Event id → the revisions of its row that the ledger keeps, oldest first; Postgres keeps one. */
  rows: Map<string, Row[]>;
  letters: Letter[];
  /** Customer → what has been added, in cents; where the handlers keep balances. */
  balances?: Map<string, number>;
};

/** The table that handlers add to. */
export const balancesTable = `create table muster_conformance_balances (
  customer text primary key, amount numeric not null)`;

/** Reads the books of a group; from `database` where its ledger is there. Nothing may be at work on it. */
export async function readBooks(
  js: JetStreamClient,
  names: AccountOf,
  database: PostgresServer | undefined,
): Promise<Books> {
  const letters = await readLetters(js, names);
  if (database === undefined) return { rows: await readRows(js, names), letters };
  return { rows: await rowsOf(database, names), letters, balances: await balancesOf(database) };
}

async function rowsOf(database: PostgresServer, { stream, group }: AccountOf): Promise<Books["rows"]> {
  const found = await select<Row & { event_id: string }>(
    database,
    `select event_id, status, sequence, store_time, body_sha256, language from muster_ledger
     where stream = '${stream}' and grp = '${group}'`,
  );
  return new Map(found.map(({ event_id, ...row }) => [event_id, [row]]));
}

async function balancesOf(database: PostgresServer): Promise<Map<string, number>> {
  const found = await select<{ customer: string; cents: number }>(
    database,
    "select customer, amount * 100 as cents from muster_conformance_balances",
  );
  return new Map(found.map(({ customer, cents }) => [customer, cents]));
}

async function select<T>(database: PostgresServer, sql: string): Promise<T[]> {
  const text = await database.psql(`select row_to_json(found) from (${sql}) as found`);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}
