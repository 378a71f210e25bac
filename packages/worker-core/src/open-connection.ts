import { connect, jwtAuthenticator, nkeyAuthenticator } from "@nats-io/transport-node";
import {
  isLoginRefusal,
  type LoginFiles,
  loginOptions,
  MusterError,
  splitServerUrls,
} from "@muster/contracts";
import { delay } from "./clock.ts";
import { Connection } from "./connection.ts";
import type { Logger } from "./log.ts";

// How a connection is made: tries until there is a server, and says when that one refuses.

/** Pause between attempts to connect, first and later ones. */
const reconnectWaitMs = 500;

/** How to connect. */
export interface OpenOptions {
  readonly servers: string[];
  readonly loginFiles?: LoginFiles | undefined;
  readonly inboxPrefix?: string | undefined;
  readonly name: string;
  readonly signal: AbortSignal;
}

/**
 * Connects, trying for ever until the signal aborts. Throws a MusterError `login_refused` when a server refuses the
 * login: who was never let in will not be by asking again.
 * The client's own `waitOnFirstConnect` cannot be stopped and does not say why it waits, hence the loop.
 */
export async function openConnection(options: OpenOptions, log: Logger): Promise<Connection> {
  const { servers, login } = splitServerUrls(options.servers);
  let said: string | undefined;
  while (!options.signal.aborted) {
    try {
      const nats = await connect({
        servers,
        ...login,
        ...loginOptions({ nkeyAuthenticator, jwtAuthenticator }, options.loginFiles),
        ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
        name: options.name,
        maxReconnectAttempts: -1,
        reconnectTimeWait: reconnectWaitMs,
        ignoreAuthErrorAbort: true,
        timeout: 5000,
        pingInterval: 10_000,
        noAsyncTraces: true,
      });
      if (options.signal.aborted) {
        await nats.close();
        break;
      }
      return new Connection(nats, log, options.inboxPrefix);
    } catch (cause) {
      const error = cause instanceof Error ? cause.message : String(cause);
      if (isLoginRefusal(error)) {
        throw new MusterError("login_refused", `${servers.join(", ")}: ${error}`, { cause });
      }
      if (error !== said) {
        log.warn({ code: "no_connection", error }, "disconnected");
        said = error;
      }
      await delay(reconnectWaitMs, options.signal);
    }
  }
  throw new MusterError("stopped", "stopped before a connection was made");
}
