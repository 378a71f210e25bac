import type { PoolClient, QueryResult, QueryResultRow } from "pg";
import { endsSession, isOutage, unreachable } from "./postgres-errors.ts";

/** A statement. One with a name is parsed once for each connection. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly name?: string;
  /** How long the answer may take, where it is not ack_wait. */
  readonly answerMs?: number;
}

/** A database connection in the hands of one task. */
export class Session {
  readonly #client: PoolClient;
  readonly #hooks: { answerMs: number; lost: () => Error | undefined; onRelease: () => void };
  #isReleased = false;
  #isBroken = false;

  constructor(
    client: PoolClient,
    hooks: { answerMs: number; lost: () => Error | undefined; onRelease: () => void },
  ) {
    this.#client = client;
    this.#hooks = hooks;
  }

  /** Whether the last answer left a transaction open; also one that can only be rolled back. */
  get isInTransaction(): boolean {
    return this.#client.getTransactionStatus() !== "I";
  }

  /** Runs a statement. Throws `unreachable`, or what the database says of the statement. */
  async query<Row extends QueryResultRow>(statement: Statement): Promise<QueryResult<Row>> {
    const { answerMs = this.#hooks.answerMs } = statement;
    const timer = setTimeout(() => this.destroy(new Error(`no answer in ${answerMs} ms`)), answerMs);
    // What is sent in one turn to a connection that pipelines leaves in one write.
    const { stream } = this.#client.connection;
    stream.cork();
    process.nextTick(() => stream.uncork());
    try {
      // pg's types want an array that may be changed; it is not.
      return await this.#client.query<Row>(statement as { text: string; values?: unknown[]; name?: string });
    } catch (error) {
      const lost = this.#hooks.lost();
      this.#isBroken ||= lost !== undefined || endsSession(error);
      if (this.#isBroken || isOutage(error)) {
        throw unreachable("the database", isOutage(error) ? error : (lost ?? error));
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gives the connection back, or ends it where it is not as it was; once or more often. */
  release(): void {
    if (this.#isReleased) {
      return;
    }
    this.#isReleased = true;
    this.#hooks.onRelease();
    this.#client.release(this.#isBroken || this.#hooks.lost() !== undefined || this.isInTransaction);
  }

  /** Ends the connection at once; what waits for an answer fails. */
  destroy(why: Error): void {
    this.#isBroken = true;
    this.#client.connection.stream.destroy(why);
  }
}
