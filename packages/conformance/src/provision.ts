import {
  ATTEMPTS_TTL_MS,
  archiveFilter,
  buckets,
  contractSchemas,
  dlqFilter,
  dlqStream,
  type GroupSpec,
  groupKey,
  MEMBER_TTL_MS,
  replayFilter,
} from "@muster/contracts";
import { type JetStreamManager, nanos, type StreamConfig } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";

// Written from the design's table and not with the control plane's code: were both wrong in the same
// way, nothing would tell.

/** Makes the buckets that all groups share. */
export async function provisionBuckets(jsm: JetStreamManager, options: { memberTtlMs?: number } = {}): Promise<void> {
  const memberTtl = nanos(options.memberTtlMs ?? MEMBER_TTL_MS);
  await bucket(jsm, buckets.groups, { max_msgs_per_subject: 10 });
  await bucket(jsm, buckets.contracts, {});
  await bucket(jsm, buckets.members, {
    max_age: memberTtl,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: memberTtl,
    allow_rollup_hdrs: true,
  });
  await bucket(jsm, buckets.attempts, { max_age: nanos(ATTEMPTS_TTL_MS) });
  await provisionLedger(jsm);
}

/** The ledger keeps history here, so that an account can tell a row that was applied twice. */
export function provisionLedger(jsm: JetStreamManager): Promise<void> {
  return bucket(jsm, buckets.ledger, { max_msgs_per_subject: 20 });
}

/** How a stream differs from the default work queue. */
export type SourceOptions = Partial<Pick<StreamConfig, "retention" | "allow_rollup_hdrs">>;

/** The stream with room for replays; `max_msg_size` leaves room for the headers of a dead letter. */
export async function provisionSource(
  nc: NatsConnection,
  jsm: JetStreamManager,
  stream: string,
  options: SourceOptions = {},
): Promise<void> {
  await jsm.streams.add({
    name: stream,
    subjects: [`${stream}.>`, `muster.replay.${stream}.>`],
    retention: "workqueue",
    storage: "file",
    discard: "new",
    allow_direct: true,
    max_msg_size: maxMessageBytes(nc),
    ...options,
  });
}

/** The most bytes of headers and body that a source stream takes. */
export function maxMessageBytes(nc: NatsConnection): number {
  return (nc.info?.max_payload ?? 1_048_576) - 32 * 1024;
}

/** The stream of dead letters; full means refused. */
export async function provisionDlq(jsm: JetStreamManager, stream: string, limits: { max_msgs?: number } = {}): Promise<void> {
  await jsm.streams.add({
    name: dlqStream(stream),
    subjects: [dlqFilter(stream), archiveFilter(stream)],
    retention: "limits",
    storage: "file",
    discard: "new",
    duplicate_window: nanos(3_600_000),
    allow_direct: true,
    ...limits,
  });
}

/** The consumer of the group: deliveries without limit, its own subjects and its own replays. */
export async function provisionConsumer(jsm: JetStreamManager, spec: GroupSpec): Promise<void> {
  await jsm.consumers.add(spec.stream, {
    durable_name: spec.group,
    ack_policy: "explicit",
    deliver_policy: "all",
    ack_wait: nanos(spec.ack_wait_ms),
    max_deliver: -1,
    max_ack_pending: spec.max_ack_pending,
    filter_subjects: [...spec.subjects, replayFilter(spec.stream, spec.group)],
  });
}

/** Writes the contracts of the spec that we know, and the spec itself, last. */
export async function putSpec(nc: NatsConnection, spec: GroupSpec): Promise<void> {
  for (const name of spec.contracts) {
    // A later version for the scenarios about versions; its schema is the same.
    const schema = contractSchemas[name] ?? contractSchemas["order.v1"];
    await put(nc, buckets.contracts, name, schema);
  }
  await put(nc, buckets.groups, groupKey(spec.stream, spec.group), spec);
}

/** Puts a JSON value under a key, whatever was there. */
export async function put(nc: NatsConnection, bucketName: string, key: string, value: unknown): Promise<void> {
  const ack = await nc.request(`$KV.${bucketName}.${key}`, JSON.stringify(value), { timeout: 5000 });
  const { error } = ack.json<{ error?: { description: string } }>();
  if (error) throw new Error(`put ${bucketName}/${key}: ${error.description}`);
}

async function bucket(jsm: JetStreamManager, name: string, config: Partial<StreamConfig>): Promise<void> {
  await jsm.streams.add({
    name: `KV_${name}`,
    subjects: [`$KV.${name}.>`],
    retention: "limits",
    storage: "file",
    discard: "new",
    max_msgs_per_subject: 1,
    allow_direct: true,
    deny_delete: true,
    ...config,
  });
}
