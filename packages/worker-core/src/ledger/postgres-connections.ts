import { Socket } from "node:net";
import { MusterError } from "@muster/contracts";
import { Client, Pool } from "pg";
import type { ClientConfig, PoolClient } from "pg";
import { delay } from "../clock.ts";
import type { Logger } from "../log.ts";
import { unreachable } from "./postgres-errors.ts";
import { Session } from "./postgres-session.ts";

/** Where to connect, and how much. */
export interface ConnectionOptions {
  readonly databaseUrl: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Connections at most; each is made when it is needed. */
  readonly max: number;
  /** Statements of one connection leave without waiting for the answer to the one before. */
  readonly pipeline: boolean;
  /** No wait for a connection or for an answer is longer. */
  readonly ackWaitMs: () => number;
  readonly log: Logger;
}

const connectMs = 5000;
const idleMs = 30_000;
const closeMs = 1000;

/** A pool whose waits all end: for a free connection, for an answer, for a lock, for the close. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #pool: Pool;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<Session>();
  readonly #waiting = new Set<(error: Error) => void>();
  /** Why a connection is lost, and for which ack_wait it is set up. */
  readonly #states = new WeakMap<PoolClient, { lost?: Error; ackWaitMs?: number }>();
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    checkUrl(options.databaseUrl);
    // pg asks for the client encoding UTF8 by itself, whatever the database's, the URL's or the environment's is.
    this.#pool = new Pool({
      connectionString: options.databaseUrl,
      application_name: options.applicationName,
      pipeline: options.pipeline,
      max: options.max,
      idleTimeoutMillis: idleMs,
      keepAlive: true,
      stream: () => this.#socket(),
      Client: BoundedClient,
    });
    this.#pool.on("connect", (client) => {
      const state: { lost?: Error } = {};
      this.#states.set(client, state);
      // Without a listener the loss of a connection in use would end the process. The first says why: what the
      // server said before it closed; then comes only that it is closed.
      client.on("error", (lost) => (state.lost ??= lost));
    });
    this.#pool.on("error", (error) => options.log.debug({ error: error.message }, "ledger connection lost"));
  }

  /** A connection of one's own until it is released. Throws `unreachable`, also when none becomes free in ack_wait. */
  async take(): Promise<Session> {
    const ackWaitMs = this.#options.ackWaitMs();
    const client = await this.#client(ackWaitMs);
    const state = this.#states.get(client) ?? {};
    const session = new Session(client, {
      answerMs: ackWaitMs,
      lost: () => state.lost,
      onRelease: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    if (state.ackWaitMs !== ackWaitMs) {
      try {
        await session.query({ text: settings(ackWaitMs) });
      } catch (error) {
        session.release();
        throw unreachable("setting up a database session", error);
      }
      state.ackWaitMs = ackWaitMs;
    }
    return session;
  }

  /** Runs what needs one connection, and gives it back. */
  async use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.take();
    try {
      return await work(session);
    } finally {
      session.release();
    }
  }

  /** Ends all connections, those in use too: what is not committed is undone. */
  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    for (const fail of this.#waiting) {
      fail(closed());
    }
    for (const session of this.#sessions) {
      session.destroy(closed());
      session.release();
    }
    // The pool's end does not wait for its sockets, and a server that was stopped says no goodbye.
    const ended = this.#pool.end();
    const allClosed = new AbortController();
    await Promise.race([this.#allSocketsClosed(), delay(closeMs, allClosed.signal)]);
    allClosed.abort();
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await ended;
  }

  async #client(waitMs: number): Promise<PoolClient> {
    if (this.#isClosed) {
      throw closed();
    }
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new MusterError("unreachable", `no database connection became free in ${waitMs} ms`));
    }, waitMs);
    this.#waiting.add(reject);
    const client = this.#pool.connect();
    try {
      return await Promise.race([client, promise]);
    } catch (error) {
      void client.then(
        (late) => late.release(),
        () => {},
      );
      throw unreachable("connecting to the database", error);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(reject);
    }
  }

  #socket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    return socket.once("close", () => this.#sockets.delete(socket));
  }

  async #allSocketsClosed(): Promise<void> {
    await Promise.all(
      Array.from(this.#sockets, (socket) => new Promise<unknown>((resolve) => socket.once("close", resolve))),
    );
  }
}

function closed(): MusterError {
  return new MusterError("unreachable", "the ledger is closed");
}

/** Throws `bad_config` where it could not even be tried. The URL may hold a password, so it is not told. */
function checkUrl(databaseUrl: string): void {
  let host: string | undefined;
  try {
    host = URL.canParse(databaseUrl) ? new Client({ connectionString: databaseUrl }).host : undefined;
  } catch {
    // A parameter that is none, or a file of it that is not there.
  }
  if (!host) {
    throw new MusterError(
      "bad_config",
      "DATABASE_URL: is no database URL; write postgres://user:password@host:5432/database",
    );
  }
}

/** Bounds connecting alone: the pool's own time-out would count the wait for a free connection too. */
class BoundedClient extends Client {
  constructor(config: ClientConfig = {}) {
    super({ ...config, connectionTimeoutMillis: connectMs });
  }
}

/**
 * A member that was stopped frees its locks after ack_wait, when its messages go to others; a lock gives up before the
 * statement does, so that the error tells which it was. 0 would mean for ever.
 */
function settings(ackWaitMs: number): string {
  const part = (share: number) => Math.max(1, Math.floor(ackWaitMs * share));
  return (
    `set idle_in_transaction_session_timeout = ${part(1)}; ` +
    `set statement_timeout = ${part(1 / 2)}; set lock_timeout = ${part(1 / 4)}`
  );
}
