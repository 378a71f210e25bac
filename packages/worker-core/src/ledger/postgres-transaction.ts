import { MusterError } from "@muster/contracts";
import type { Connections } from "./postgres-connections.ts";
import { sqlState, unreachable } from "./postgres-errors.ts";
import type { Session } from "./postgres-session.ts";
import type { LedgerTransaction } from "./ledger.ts";

/** Commits and returns true, or returns false. */
export type LastWork = (session: Session) => Promise<boolean>;

const control =
  /^\s*(begin|start\s+transaction|commit|end|abort|prepare\s+transaction|rollback(?!\s+to\b))\b/i;
const failedTransaction = "25P02";
const idleTransaction = "25P03";

/** A transaction on a connection of its own, taken with the first query and given back at the end. */
export class PostgresTransaction implements LedgerTransaction {
  readonly #connections: Connections;
  readonly #running = new Set<Promise<unknown>>();
  #session: Promise<Session> | undefined;
  #lastError: unknown;
  #isEnded = false;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  get isOpen(): boolean {
    return this.#session !== undefined && !this.#isEnded;
  }

  async query<Row = Record<string, unknown>>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    if (control.test(text)) {
      throw new MusterError(
        "transaction_control",
        "the worker begins and ends the transaction; use a savepoint to undo a part of it",
      );
    }
    const run = this.#run<Row>(text, values);
    this.#running.add(run);
    try {
      return await run;
    } catch (thrown) {
      const error = handlersOwn(thrown);
      // That the transaction has failed already is not why.
      if (sqlState(error) !== failedTransaction) {
        this.#lastError = error;
      }
      throw error;
    } finally {
      this.#running.delete(run);
    }
  }

  /**
   * Lets `work` commit what was done, or, where it returns false, undoes it. Ends the transaction in any case.
   * Throws `unreachable`, or what the handler has to answer for: a statement that failed and it did not mind, a
   * constraint that is checked at the commit, a transaction that it left idle for too long.
   */
  async end(work: LastWork): Promise<boolean> {
    if (this.#isEnded) {
      throw ended();
    }
    this.#isEnded = true;
    const session = await (this.#session ??= this.#open());
    try {
      // Not before all that the handler began without waiting for it.
      await Promise.allSettled(this.#running);
      if (!session.isInTransaction) {
        throw new MusterError("transaction_control", "the handler ended the worker's transaction itself");
      }
      return await work(session);
    } catch (error) {
      throw sqlState(error) === failedTransaction ? this.#failed(error) : handlersOwn(error);
    } finally {
      await undo(session);
    }
  }

  async rollback(): Promise<void> {
    if (this.#isEnded) {
      return;
    }
    this.#isEnded = true;
    try {
      const session = await this.#session;
      if (session !== undefined) {
        await undo(session);
      }
    } catch {
      // It never opened.
    }
  }

  async #run<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    if (this.#isEnded) {
      throw ended();
    }
    const session = await (this.#session ??= this.#open());
    return (await session.query<Row & object>({ text, values })).rows;
  }

  async #open(): Promise<Session> {
    const session = await this.#connections.take();
    try {
      await session.query({ text: "begin" });
      return session;
    } catch (error) {
      session.release();
      throw unreachable("beginning a transaction", error);
    }
  }

  /** Why a transaction is broken that its handler wanted to keep. */
  #failed(error: unknown): unknown {
    if (this.#lastError instanceof MusterError && this.#lastError.code === "unreachable") {
      return this.#lastError;
    }
    return new MusterError(
      "transaction_failed",
      "a statement of the transaction failed, and the handler returned all the same",
      { cause: this.#lastError ?? error },
    );
  }
}

/** What the database ended for being idle is no outage: it would come again with every delivery, and never count. */
function handlersOwn(error: unknown): unknown {
  return sqlState(error) === idleTransaction
    ? new MusterError(
        "transaction_idle",
        "the handler left its transaction idle for longer than ack_wait, and the database ended it",
        { cause: error },
      )
    : error;
}

function ended(): MusterError {
  return new MusterError("transaction_ended", "the transaction was used after its handler had ended");
}

/** Gives the connection back without an open transaction. */
async function undo(session: Session): Promise<void> {
  try {
    if (session.isInTransaction) {
      await session.query({ text: "rollback" });
    }
  } catch {
    // The connection is lost, and with it the transaction.
  } finally {
    session.release();
  }
}
