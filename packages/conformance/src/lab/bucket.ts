import { type KV, Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";

const opened = new WeakMap<NatsConnection, Map<string, Promise<KV>>>();

/** A bucket, asked for once per connection: scenarios read while they wait. */
export function bucketOf(nc: NatsConnection, bucket: string): Promise<KV> {
  const known = opened.get(nc) ?? new Map<string, Promise<KV>>();
  opened.set(nc, known);
  const open = known.get(bucket) ?? new Kvm(nc).open(bucket);
  known.set(bucket, open);
  open.catch(() => known.delete(bucket));
  return open;
}
