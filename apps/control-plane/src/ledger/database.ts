// The ledger's tables in Postgres, read only: members write them, the control plane looks.
import { type LedgerRow, sha256Hex } from "@muster/contracts";
import { DatabaseError, Pool, type PoolClient, type QueryResultRow } from "pg";
import { fail } from "../errors.ts";
import type { Log } from "../log.ts";
import type { SettledRow } from "./ledgers.ts";
import {
  rowColumns,
  type RowColumns,
  type SettledColumns,
  settledColumns,
  toRow,
  toSettled,
} from "./postgres-row.ts";

const CONNECTIONS = 4;
const CONNECT_MS = 5000;
const STATEMENT_MS = 30_000;
const PAGE = 5000;

const missing = new Set(["42P01", "42703"]);
// As members have it: connection, resources, shutdown.
const down = /^(08|53|57P0)/;

/** A database by its URL. Connects when it is first asked, and again after an outage. */
export class Database {
  readonly #pool: Pool;
  readonly #where: string;
  readonly #ready = new WeakSet<PoolClient>();

  constructor(url: string, log: Log) {
    this.#where = placeOf(url);
    this.#pool = new Pool({
      connectionString: url,
      application_name: "muster control-plane",
      max: CONNECTIONS,
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: STATEMENT_MS + CONNECT_MS,
    });
    // Without a listener the loss of a connection in use would end the process.
    this.#pool.on("connect", (client) => client.on("error", () => undefined));
    this.#pool.on("error", (error) => log.warn({ error: error.message }, "database connection lost"));
  }

  /** The row of an event, or nothing; one that cannot be read counts as nothing. */
  async row(stream: string, group: string, eventId: string): Promise<LedgerRow | undefined> {
    const [columns] = await this.#query<RowColumns>(
      `select ${rowColumns} from muster_ledger where stream = $1 and grp = $2 and event_hash = $3`,
      [stream, group, sha256Hex(eventId)],
    );
    return columns === undefined ? undefined : toRow(columns);
  }

  /** All rows of a stream's groups, a page at a time by the primary key: no transaction stays open. */
  async rows(stream: string): Promise<SettledRow[]> {
    const rows: SettledRow[] = [];
    let after = ["", ""];
    for (;;) {
      const page = await this.#query<SettledColumns>(
        `select ${settledColumns} from muster_ledger where stream = $1 and (grp, event_hash) > ($2, $3) ` +
          `order by grp, event_hash limit ${PAGE}`,
        [stream, ...after],
      );
      rows.push(...page.flatMap((columns) => toSettled(columns) ?? []));
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return rows;
      after = [last.grp, last.event_hash];
    }
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #query<T extends QueryResultRow>(text: string, values: unknown[]): Promise<T[]> {
    let client: PoolClient | undefined;
    try {
      client = await this.#pool.connect();
      await this.#setUp(client);
      const { rows } = await client.query<T>(text, values);
      client.release();
      return rows;
    } catch (error) {
      // After a time-out it may still be at it.
      client?.release(!(error instanceof DatabaseError));
      throw this.#inWords(error);
    }
  }

  async #setUp(client: PoolClient): Promise<void> {
    if (this.#ready.has(client)) return;
    await client.query(`set default_transaction_read_only = on; set statement_timeout = ${STATEMENT_MS}`);
    this.#ready.add(client);
  }

  #inWords(error: unknown): Error {
    const code = error instanceof DatabaseError ? (error.code ?? "") : undefined;
    const said = error instanceof Error ? error.message : String(error);
    if (code === undefined || down.test(code))
      return fail(
        "database_down",
        `the database at ${this.#where} does not answer (${said}); try again when it is back`,
        error,
      );
    if (missing.has(code))
      return fail(
        "ledger_schema",
        `the database at ${this.#where} has no ledger (${said}): a member of the group makes its tables when it starts; else correct DATABASE_URL`,
        error,
      );
    return fail(
      "database_refused",
      `the database at ${this.#where} refused: ${said} (${code}); the user in DATABASE_URL needs to read muster_ledger, and nothing else`,
      error,
    );
  }
}

/** Host, port and database: user and password must not reach logs or answers. */
function placeOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}
