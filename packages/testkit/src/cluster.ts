import { freePort } from "./port.ts";
import { type NatsOptions, type NatsServer, startNats } from "./nats.ts";

/** How to start a cluster. */
export type ClusterOptions = Pick<NatsOptions, "config" | "configFile"> & {
  /** Servers. Default 3. */
  size?: number;
};

/** nats-servers on loopback that know each other. */
export type Cluster = {
  /** By their server names: `n1`, `n2`, … */
  readonly nodes: ReadonlyMap<string, NatsServer>;
  /** All of them, for `NATS_URL`. */
  readonly url: string;
  [Symbol.asyncDispose](): Promise<void>;
};

/**
 * Starts a cluster and returns when each server takes connections; JetStream has a leader a little later. The
 * configuration finds in its environment: NATS_NAME, NATS_CLUSTER_LISTEN and NATS_ROUTE_1 to _3.
 */
export async function startCluster({ size = 3, ...options }: ClusterOptions = {}): Promise<Cluster> {
  const routePorts = await Promise.all(Array.from({ length: size }, () => freePort()));
  const routes = Object.fromEntries(
    routePorts.map((port, index) => [`NATS_ROUTE_${index + 1}`, `nats://127.0.0.1:${port}`]),
  );
  const nodes = new Map<string, NatsServer>();
  const stopAll = async (): Promise<void> => {
    await Promise.all([...nodes.values()].map((node) => node.stop()));
  };
  const start = async (index: number): Promise<void> => {
    const name = `n${index + 1}`;
    const env = { ...routes, NATS_NAME: name, NATS_CLUSTER_LISTEN: `127.0.0.1:${routePorts[index]}` };
    nodes.set(name, await startNats({ ...options, env }));
  };
  try {
    // With JetStream a server is ready before it has found the others: one after the other will do.
    for (let index = 0; index < size; index++) await start(index);
  } catch (error) {
    await stopAll();
    throw error;
  }
  return {
    nodes,
    url: [...nodes.values()].map((node) => node.url).join(","),
    [Symbol.asyncDispose]: stopAll,
  };
}
