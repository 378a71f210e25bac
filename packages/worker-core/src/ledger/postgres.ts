import { decideRow, joinRow, MusterError, rowKnows, sha256Hex } from "@muster/contracts";
import type { Logger } from "../log.ts";
import type { Message } from "../message.ts";
import type { Ledger, LedgerTransaction, LookUp, RowWrite } from "./ledger.ts";
import { unseen } from "./ledger.ts";
import { commitRow, commitRows, insertNewRows, updateRow } from "./postgres-commit.ts";
import { Connections } from "./postgres-connections.ts";
import { unreachable } from "./postgres-errors.ts";
import { Inserts } from "./postgres-inserts.ts";
import { applyMigrations } from "./postgres-migrations.ts";
import type { RowColumns } from "./postgres-rows.ts";
import { readRow, rowToWrite } from "./postgres-rows.ts";
import type { Session } from "./postgres-session.ts";
import { Statements } from "./postgres-statements.ts";
import { PostgresTransaction } from "./postgres-transaction.ts";

/** What a ledger in Postgres needs. */
export interface PostgresLedgerOptions {
  /** `postgres://user:password@host:5432/database`, with further parameters as libpq has them (`?sslmode=…`). */
  readonly databaseUrl: string;
  readonly stream: string;
  readonly group: string;
  readonly workerId: string;
  /** Milliseconds, of the group's spec as it is now: they bound statements, locks and idle transactions. */
  readonly ackWaitMs: () => number;
  /** Transactions of handlers open at once; four more connections look up and write rows. Default 10. */
  readonly poolSize?: number;
  readonly log: Logger;
}

const rowConnections = 4;
const joinTries = 5;

/**
 * The ledger in the table `muster_ledger`. A row and what its handler did in `transaction()` are committed together, or
 * neither is there: the effect happens once. Connects when it is first used. Throws `bad_config` for a URL that is none.
 */
export class PostgresLedger implements Ledger {
  readonly kind = "postgres";
  readonly looksUpFirst = false;
  readonly #member: string;
  readonly #statements: Statements;
  readonly #rows: Connections;
  readonly #transactions: Connections;
  readonly #inserts: Inserts;

  constructor(options: PostgresLedgerOptions) {
    const { databaseUrl, stream, group, workerId, ackWaitMs, log, poolSize = 10 } = options;
    const applicationName = `muster ${stream}.${group} ${workerId}`;
    const common = { databaseUrl, applicationName, ackWaitMs, log };
    this.#member = workerId;
    this.#statements = new Statements(stream, group);
    this.#rows = new Connections({ ...common, max: rowConnections, pipeline: false });
    this.#transactions = new Connections({ ...common, max: poolSize, pipeline: true });
    this.#inserts = new Inserts((some) =>
      this.#rows.use((session) => insertNewRows(session, this.#statements, some)),
    );
  }

  /**
   * Checks that the tables are there and makes them where it may; to be called before the first message.
   * Throws `unreachable`, or `ledger_schema` when they are missing or are not those we know.
   */
  migrate(): Promise<void> {
    return this.#rows.use(applyMigrations);
  }

  async lookUp(message: Message): Promise<LookUp> {
    const statement = this.#statements.select(sha256Hex(message.eventId));
    const found = await this.#run("looking up a ledger row", (session) =>
      session.query<RowColumns>(statement),
    );
    const [columns] = found.rows;
    if (columns === undefined) {
      return unseen;
    }
    const row = readRow(columns);
    return { decision: decideRow(row, message), row, revision: Number(columns.revision) };
  }

  async lookUpAgain(message: Message, after: LookUp): Promise<LookUp> {
    const found = await this.lookUp(message);
    if (found.revision <= after.revision) {
      throw new MusterError(
        "unreachable",
        `ledger row of ${message.eventId}: the answer is older than the write that failed`,
      );
    }
    return found;
  }

  async write(write: RowWrite, tx?: LedgerTransaction): Promise<boolean> {
    const row = rowToWrite(write, this.#member);
    if (isUsed(tx)) {
      return commitRow(tx, this.#statements, row);
    }
    // What a handler would begin only now could not be undone with the row.
    await tx?.rollback();
    return row.revision === 0
      ? this.#inserts.add(row)
      : this.#rows.use((session) => updateRow(session, this.#statements, row));
  }

  async writeAll(writes: readonly RowWrite[], tx?: LedgerTransaction): Promise<boolean[]> {
    const all = writes.map((write) => rowToWrite(write, this.#member));
    if (isUsed(tx) && all.length > 0) {
      return commitRows(tx, this.#statements, all);
    }
    await tx?.rollback();
    return all.length === 0 ? [] : commitRows(this.transaction(), this.#statements, all);
  }

  async join(message: Message, first: LookUp): Promise<LookUp> {
    let lookUp = first;
    for (let attempt = 1; attempt <= joinTries; attempt++) {
      const { row, decision, revision } = lookUp;
      const isToJoin = decision === "repeat" || decision === "stale";
      if (row === undefined || !isToJoin || rowKnows(row, message)) {
        return lookUp;
      }
      const joined = joinRow(row, message.sequence);
      const statement = this.#statements.join({ hash: sha256Hex(message.eventId), row: joined, revision });
      const updated = await this.#run("joining a ledger row", (session) => session.query(statement));
      if (updated.rowCount === 1) {
        return { decision, row: joined, revision: revision + 1 };
      }
      lookUp = await this.lookUpAgain(message, lookUp);
    }
    throw new MusterError("unreachable", `ledger row of ${message.eventId} keeps changing`);
  }

  transaction(): PostgresTransaction {
    return new PostgresTransaction(this.#transactions);
  }

  /** True when the table takes a row; a database that is full or read only would still answer. */
  async isReachable(): Promise<boolean> {
    try {
      await this.#rows.use((session) => session.query(this.#statements.tryInsert(this.#member)));
      return true;
    } catch {
      return false;
    }
  }

  /** Ends all connections. What still waits fails with `unreachable`; what is not committed is undone. */
  async close(): Promise<void> {
    await Promise.all([this.#rows.close(), this.#transactions.close()]);
  }

  /** Whatever keeps the ledger from its own work is an outage of it, also a table that is missing. */
  async #run<T>(what: string, work: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await this.#rows.use(work);
    } catch (error) {
      throw unreachable(what, error);
    }
  }
}

function isUsed(tx: LedgerTransaction | undefined): tx is PostgresTransaction {
  return tx instanceof PostgresTransaction && tx.isOpen;
}
