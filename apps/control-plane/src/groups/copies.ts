// How many copies of a stream or consumer a cluster has, against how many it is to have.
import type { ClusterInfo, ConsumerInfo, StreamInfo } from "@nats-io/jetstream";

/** What a server tells of a stream or consumer. `desired`: its copies are being placed; not in the client's types. */
type Placed = ClusterInfo & { desired?: unknown };

/** What is lacking. `isPlacing`: servers for it are still being found. `hasLeader`: else it does not work at all. */
export type Lack = { words: string; isPlacing: boolean; hasLeader: boolean };

/**
 * What is lacking, or nothing where all copies are there and up to date, and on a server alone. Of a stream that gets
 * more copies the server tells the new number at once, and makes them one after the other; its consumers get theirs last.
 */
export function lackOf(cluster: Placed | undefined, wanted: number): Lack | undefined {
  if (wanted <= 1 || cluster === undefined) return undefined;
  const peers = cluster.replicas ?? [];
  const behind = peers.filter(({ current, offline }) => !current || offline);
  const hasLeader = (cluster.leader ?? "") !== "";
  const current = peers.length - behind.length + Number(hasLeader);
  const isMoving = cluster.desired !== undefined;
  if (current >= wanted && hasLeader && !isMoving) return undefined;
  const why = [
    ...(hasLeader ? [] : ["no leader"]),
    ...behind.map(({ name, offline }) => `${name} is ${offline ? "offline" : "not up to date"}`),
    ...(isMoving ? ["copies are being placed"] : []),
  ];
  return {
    words: `${current} of ${wanted} copies up to date${why.length === 0 ? "" : ` (${why.join(", ")})`}`,
    isPlacing: isMoving || !hasLeader || peers.length + 1 < wanted,
    hasLeader,
  };
}

/** {@link lackOf} a stream. */
export function lackOfStream({ cluster, config }: Pick<StreamInfo, "cluster" | "config">): Lack | undefined {
  return lackOf(cluster, config.num_replicas);
}

/**
 * {@link lackOf} a consumer. One that does not say how many is to have as many as its stream, except a short-lived one on
 * limits, which has one: that is how the server counts.
 */
export function lackOfConsumer(
  { cluster, config }: Pick<ConsumerInfo, "cluster" | "config">,
  stream: StreamInfo["config"],
): Lack | undefined {
  const isShortLived = (config.durable_name ?? "") === "" && stream.retention === "limits";
  return lackOf(cluster, config.num_replicas || (isShortLived ? 1 : stream.num_replicas));
}
