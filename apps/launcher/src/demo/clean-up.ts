import { buckets, dlqStream } from "@muster/contracts";
import { JetStreamApiError, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { DemoGroup } from "./group.ts";

/** Removes from a shared server what this run has made there: its streams, and its keys in the buckets. */
export async function cleanUp(nc: NatsConnection, { stream }: DemoGroup): Promise<void> {
  const jsm = await jetstreamManager(nc);
  for (const name of [stream, dlqStream(stream)]) await ifThere(jsm.streams.delete(name));
  for (const bucket of Object.values(buckets).filter((name) => name !== buckets.contracts)) {
    await ifThere(jsm.streams.purge(`KV_${bucket}`, { filter: `$KV.${bucket}.${stream}.>` }));
  }
}

// A run that failed early has not made everything.
async function ifThere(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.status === 404)) throw error;
  }
}
