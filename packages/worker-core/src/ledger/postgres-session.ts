import type { PoolClient, QueryResult, QueryResultRow } from "pg";
import { isOutage, isReadOnly, unreachable } from "./postgres-errors.ts";

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
  #isSpoiled = false;
  /** An error comes before the server tells the state of its transaction; the next answer tells it. */
  #isUnknown = false;

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
      const result = await this.#client.query<Row>(
        statement as { text: string; values?: unknown[]; name?: string },
      );
      this.#isUnknown = false;
      return result;
    } catch (error) {
      const lost = this.#hooks.lost();
      this.#isUnknown = true;
      this.#isSpoiled ||= lost !== undefined || isReadOnly(error);
      if (this.#isSpoiled || isOutage(error)) {
        throw unreachable("the database", isOutage(error) ? error : (lost ?? error));
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gives the connection back, or ends it where the next would not find it as it was; once or more often. */
  release(): void {
    if (this.#isReleased) {
      return;
    }
    this.#isReleased = true;
    this.#hooks.onRelease();
    const isLost = this.#isSpoiled || this.#hooks.lost() !== undefined;
    this.#client.release(isLost || this.#isUnknown || this.isInTransaction);
  }

  /** Ends the connection at once; what waits for an answer fails. */
  destroy(why: Error): void {
    this.#isSpoiled = true;
    this.#client.connection.stream.destroy(why);
  }
}
