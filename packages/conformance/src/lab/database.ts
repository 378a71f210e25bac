import { LedgerRow, sha256Hex } from "@muster/contracts";
import { type PostgresOptions, type PostgresServer, postgresMissing, startPostgres } from "@muster/testkit";
import { Client, Pool } from "pg";
import { Skipped } from "../scenario.ts";

/** A Postgres server, with what the conformance worker's verb `sql` writes to. */
export type Database = {
  readonly url: string;
  readonly server: PostgresServer;
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** A session of its own, for a transaction that stays open. */
  session(): Promise<Client>;
  /** The ledger row of an event. */
  row(at: { stream: string; group: string }, eventId: string): Promise<LedgerRow | undefined>;
  /** Members whose transactions made the effect of an event, one entry for each time. */
  effects(eventId: string): Promise<string[]>;
  /** What has been added to the balance of a customer; absent: nothing ever. */
  balance(customer: string): Promise<number | undefined>;
  [Symbol.asyncDispose](): Promise<void>;
};

const noSuchTable = "42P01";

/** A Postgres, and the encoding of its database. Default: UTF8. */
export type DatabaseOptions = PostgresOptions & { encoding?: string };

/** Starts a Postgres. Throws `Skipped` where this machine has none and need not have one. */
export async function openDatabase({ encoding, ...options }: DatabaseOptions = {}): Promise<Database> {
  const missing = postgresMissing();
  if (missing !== undefined) throw new Skipped(missing);
  const server = await startPostgres(options);
  const url = encoding === undefined ? server.url : await makeEncoded(server, encoding);
  const pool = new Pool({ connectionString: url, max: 4 });
  // A server that is killed under an idle connection is what scenarios do.
  pool.on("error", () => undefined);
  const query = async (sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> =>
    (await pool.query<Record<string, unknown>>(sql, values)).rows;
  await query("create table muster_conformance_effects (event_id text not null, member text not null)");
  await query(
    "create table muster_conformance_balances (customer text primary key, amount numeric not null)",
  );
  return {
    url,
    server,
    query,
    session: async () => {
      const session = new Client({ connectionString: url });
      // Killed with its server.
      session.on("error", () => undefined);
      await session.connect();
      return session;
    },
    async row({ stream, group }, eventId) {
      const key = [stream, group, sha256Hex(eventId)];
      const rows = await query(selectRow, key).catch((error: unknown) => {
        // The members make the table.
        if ((error as { code?: string }).code === noSuchTable) return [];
        throw error;
      });
      return rows[0] === undefined ? undefined : readRow(rows[0]);
    },
    async effects(eventId) {
      const rows = await query("select member from muster_conformance_effects where event_id = $1", [
        eventId,
      ]);
      return rows.map(({ member }) => String(member));
    },
    async balance(customer) {
      const sql = "select amount from muster_conformance_balances where customer = $1";
      const [found] = await query(sql, [customer]);
      return found === undefined ? undefined : Number(found["amount"]);
    },
    async [Symbol.asyncDispose]() {
      // First the server, and with it all sessions: a pool waits for those that are in use.
      await server.stop();
      await pool.end();
    },
  };
}

/** Makes a second database on the server, and returns its URL. */
async function makeEncoded(server: PostgresServer, encoding: string): Promise<string> {
  const as = `encoding '${encoding}' template template0 lc_collate 'C' lc_ctype 'C'`;
  await server.psql(`create database encoded ${as}`);
  return new URL("/encoded", server.url).href;
}

const selectRow = `
  select status, event_id, body_sha256, sequence, store_time, sequences, more, result, reason, headers, member,
    language, to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at
  from muster_ledger where stream = $1 and grp = $2 and event_hash = $3`;

type Texts = { event_id: string; result: string | null; reason: string | null; headers: string | null };

function readRow(found: Record<string, unknown>): LedgerRow {
  const { event_id, result, reason, headers, ...rest } = found as Texts & Record<string, unknown>;
  const { sequence, sequences, more } = rest;
  return LedgerRow.parse({
    v: 1,
    ...rest,
    event_id: JSON.parse(`"${event_id}"`),
    sequence: Number(sequence),
    sequences: (sequences as string[]).map(Number),
    more: Number(more),
    ...(result === null ? {} : { result: JSON.parse(result) }),
    ...(reason === null ? {} : { reason }),
    ...(headers === null ? {} : { headers: JSON.parse(headers) }),
  });
}
