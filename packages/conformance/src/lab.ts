import { type NatsServer, startNats } from "@muster/testkit";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { provisionBuckets } from "./provision.ts";

/** A real server with the buckets of Muster, and a connection that outlives the server's outages. */
export interface Lab extends AsyncDisposable {
  readonly server: NatsServer;
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
}

/** Starts a server. `memberTtlMs` shortens the life of a member's record. */
export async function openLab(options: { memberTtlMs?: number } = {}): Promise<Lab> {
  const server = await startNats();
  try {
    const lab = await connectLab(server);
    await provisionBuckets(lab.jsm, options);
    return lab;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** A lab on a server that runs already, without buckets. */
export async function connectLab(server: NatsServer): Promise<Lab> {
  const nc = await connect({
    servers: server.url,
    name: "conformance",
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    // A scenario says itself what a lost connection means.
    ignoreAuthErrorAbort: true,
  });
  const jsm = await jetstreamManager(nc);
  return {
    server,
    nc,
    jsm,
    async [Symbol.asyncDispose]() {
      await nc.close();
      await server.stop();
    },
  };
}
