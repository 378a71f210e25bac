import { type NatsOptions, type NatsServer, startNats } from "@muster/testkit";
import { waitFor } from "./wait.ts";
import { connect, type ConnectionOptions, type NatsConnection } from "@nats-io/transport-node";
import { provisionBuckets } from "./provision.ts";

/** A server with Muster's buckets, and a connection to it that survives the server's restarts. */
export type Site = {
  readonly nc: NatsConnection;
  readonly url: string;
  readonly server: NatsServer;
  /** Kills the server, starts it again, and returns when the suite itself is connected again. */
  restart(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** How to start a server, and what to make on it. */
export type SiteOptions = NatsOptions & {
  /** How long a member's record lives without a heartbeat, in ms. Default: the protocol's 15,000. */
  memberTtlMs?: number;
  /** False: no bucket is made. */
  buckets?: boolean;
  /** How the suite itself connects. */
  connect?: ConnectionOptions;
};

/** Starts a server and makes the buckets. */
export async function openSite(options: SiteOptions = {}): Promise<Site> {
  const { memberTtlMs, buckets = true, connect: own, ...nats } = options;
  const server = await startNats(nats);
  let nc: NatsConnection | undefined;
  try {
    nc = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 200, ...own });
    if (buckets) await provisionBuckets(nc, memberTtlMs);
  } catch (error) {
    await nc?.close();
    await server.stop();
    throw error;
  }
  const connection = nc;
  return {
    nc,
    url: server.url,
    server,
    async restart() {
      await server.restart();
      await waitFor("the suite to be connected again", () =>
        connection.flush().then(
          () => true,
          () => false,
        ),
      );
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
      await server.stop();
    },
  };
}
