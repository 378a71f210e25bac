// The link to NATS: connects for ever, and says at once when there is no connection.
import { setTimeout as sleep } from "node:timers/promises";
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { isLoginRefusal, loginOptions, splitServerUrls } from "@muster/contracts";
import {
  type ConnectionOptions,
  jwtAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
  wsconnect,
} from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { type Config, isWebSocket } from "../config.ts";
import { fail } from "../errors.ts";
import type { Log } from "../log.ts";

const RETRY_MS = 500;
const REQUEST_MS = 5000;

/** A live connection and the JetStream clients over it. */
export type Nats = {
  nc: NatsConnection;
  js: JetStreamClient;
  jsm: JetStreamManager;
  /** What inboxes begin with; the client's own by default. */
  inboxPrefix?: string | undefined;
};

/** Where to connect, and who as. */
export type NatsConfig = Pick<Config, "natsUrls" | "login" | "inboxPrefix">;

/**
 * Keeps a connection to NATS for as long as the process lives. `current()` gives it, or throws
 * `nats_down` without waiting, so that a caller hears of an outage now and not after a time-out.
 */
export class NatsLink {
  readonly #config: NatsConfig;
  readonly #onRefused: (why: string) => void;
  readonly #log: Log;
  readonly #closing = new AbortController();
  readonly #supervised: Promise<void>;
  #nats: Nats | undefined;
  #isUp = false;

  /** `onRefused` is told when a server refuses the login before there was ever a connection; the link tries on. */
  constructor(config: NatsConfig, log: Log, onRefused: (why: string) => void = () => undefined) {
    this.#config = config;
    this.#log = log;
    this.#onRefused = onRefused;
    this.#supervised = this.#keep();
  }

  /** Whether the connection is there at this moment. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** The clients; throws `nats_down` while there is no connection. */
  current(): Nats {
    if (this.#nats === undefined || !this.#isUp) {
      throw fail(
        "nats_down",
        `NATS is not reachable at ${this.#servers.join(", ")}; start nats-server or correct NATS_URL`,
      );
    }
    return this.#nats;
  }

  /** Ends the connection; safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#nats?.nc.close();
    await this.#supervised;
  }

  get #servers(): string[] {
    return splitServerUrls(this.#config.natsUrls).servers;
  }

  async #keep(): Promise<void> {
    let isFirstFailure = true;
    while (!this.#closing.signal.aborted) {
      try {
        const nc = await open(this.#config);
        if (this.#closing.signal.aborted) return await nc.close();
        isFirstFailure = true;
        await this.#live(nc);
      } catch (error) {
        if (isFirstFailure)
          this.#log.warn({ error: String(error), servers: this.#servers }, "waiting for NATS");
        if (this.#nats === undefined && isLoginRefusal(String(error)))
          this.#onRefused(`NATS at ${this.#servers.join(", ")} refuses the login: ${String(error)}`);
        isFirstFailure = false;
      }
      await sleep(RETRY_MS, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    }
  }

  /** Follows one connection until it is closed; the client reconnects by itself within. */
  async #live(nc: NatsConnection): Promise<void> {
    const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: REQUEST_MS });
    const { inboxPrefix } = this.#config;
    this.#nats = { nc, js: jetstream(nc, { timeout: REQUEST_MS }), jsm, inboxPrefix };
    this.#isUp = true;
    this.#log.info({ server: nc.getServer(), version: nc.info?.version }, "connected");
    for await (const status of nc.status()) {
      if (status.type === "disconnect") {
        this.#isUp = false;
        this.#log.warn({}, "disconnected");
      } else if (status.type === "reconnect") {
        this.#isUp = true;
        this.#log.info({ server: status.server }, "reconnected");
      } else if (status.type === "error") {
        this.#log.error({ error: String(status.error) }, "NATS error");
      }
    }
    this.#isUp = false;
  }
}

async function open({ natsUrls: urls, login: files, inboxPrefix }: NatsConfig): Promise<NatsConnection> {
  const { servers, login } = splitServerUrls(urls);
  const options: ConnectionOptions = {
    servers,
    name: "muster-control-plane",
    maxReconnectAttempts: -1,
    reconnectTimeWait: RETRY_MS,
    timeout: REQUEST_MS,
    // Two stack traces for each request cost more than the request.
    noAsyncTraces: true,
    // A login that is refused may be about to be replaced.
    ignoreAuthErrorAbort: true,
    ...login,
    ...loginOptions({ nkeyAuthenticator, jwtAuthenticator }, files),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
  };
  return isWebSocket(urls[0] ?? "") ? await wsconnect(options) : await connect(options);
}
