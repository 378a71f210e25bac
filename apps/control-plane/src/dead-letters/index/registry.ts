// The indexes of a connection: one for each stream, made when it is first asked for.
import { checkName, dlqStream } from "@muster/contracts";
import type { NatsConnection } from "@nats-io/nats-core";
import type { Nats } from "../../nats/connection.ts";
import { DeadLetterIndex } from "./index.ts";

// By connection, not handed around: an index lives and ends with it, and every reader shall have the same one.
const indexes = new WeakMap<NatsConnection, Map<string, DeadLetterIndex>>();

/** The index of a stream's dead letters; it is begun by its first `view`. */
export function deadLetterIndex(nats: Nats, stream: string): DeadLetterIndex {
  checkName("stream", stream);
  const known = indexes.get(nats.nc) ?? new Map<string, DeadLetterIndex>();
  indexes.set(nats.nc, known);
  // Names of streams that are not there must not pile up.
  const onGone = () => known.get(stream) === index && known.delete(stream);
  const index: DeadLetterIndex = known.get(stream) ?? new DeadLetterIndex(nats, stream, { onGone });
  known.set(stream, index);
  return index;
}

/** How many indexes a connection has. */
export function countIndexes(nats: Nats): number {
  return indexes.get(nats.nc)?.size ?? 0;
}

/** Tells the index, where there is one, that this process has deleted a message of a dead-letter stream (its name, `<stream>_DLQ`). */
export function forget(nats: Nats, dlq: string, seq: number): void {
  for (const [stream, index] of indexes.get(nats.nc) ?? []) if (dlqStream(stream) === dlq) index.forget(seq);
}
