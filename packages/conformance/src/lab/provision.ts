import {
  AckPolicy,
  type ConsumerConfig,
  DiscardPolicy,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { nanos, type NatsConnection } from "@nats-io/transport-node";
import {
  buckets,
  contractSchemas,
  dlqStream,
  GroupSpec,
  type GroupSpecInput,
  groupKey,
  replayFilter,
} from "@muster/contracts";

const noRollup = [buckets.ledger, buckets.attempts];

/** Makes the buckets that every group needs, and `core_DLQ`. `memberTtlMs` defaults to the protocol's 15 s. */
export async function provisionBuckets(nc: NatsConnection, memberTtlMs = 15_000): Promise<void> {
  const kvm = new Kvm(nc);
  const file = { storage: StorageType.File, allow_direct: true };
  await kvm.create(buckets.groups, { ...file, history: 10 });
  const contracts = await kvm.create(buckets.contracts, file);
  await kvm.create(buckets.members, { ...file, ttl: memberTtlMs, markerTTL: 60_000 });
  await kvm.create(buckets.attempts, { ...file, ttl: 7 * 86_400_000 });
  await kvm.create(buckets.ledger, { ...file, history: 5 });
  const manager = await jetstreamManager(nc);
  for (const bucket of noRollup) {
    const { config } = await manager.streams.info(`KV_${bucket}`);
    await manager.streams.update(`KV_${bucket}`, { ...config, allow_rollup_hdrs: false });
  }
  for (const [name, schema] of Object.entries(contractSchemas))
    await contracts.put(name, JSON.stringify(schema));
  await provisionDeadLetters(nc, "core");
}

/** Makes a stream with its dead-letter stream. */
export async function provisionStream(
  nc: NatsConnection,
  stream: string,
  subjects: string[],
  retention: "workqueue" | "limits" = "workqueue",
): Promise<void> {
  const manager = await jetstreamManager(nc);
  await manager.streams.add({
    name: stream,
    subjects: [...subjects, `muster.replay.${stream}.>`],
    retention: retention === "limits" ? RetentionPolicy.Limits : RetentionPolicy.Workqueue,
    max_msg_size: (nc.info?.max_payload ?? 1 << 20) - (32 << 10),
  });
  await provisionDeadLetters(nc, stream);
}

async function provisionDeadLetters(nc: NatsConnection, stream: string): Promise<void> {
  await (await jetstreamManager(nc)).streams.add({
    name: dlqStream(stream),
    subjects: [`muster.dlq.${stream}.>`, `muster.archive.${stream}.>`],
    discard: DiscardPolicy.New,
    duplicate_window: nanos(3_600_000),
  });
}

/** Makes a group's consumer, where its mode has one, and writes its spec, filled with defaults. */
export async function provisionGroup(nc: NatsConnection, input: GroupSpecInput): Promise<GroupSpec> {
  const spec = GroupSpec.parse(input);
  if (spec.delivery.mode !== "queue") {
    const manager = await jetstreamManager(nc);
    await manager.consumers.add(spec.stream, consumerOf(spec));
  }
  await putSpec(nc, spec);
  return spec;
}

function consumerOf(spec: GroupSpec): Partial<ConsumerConfig> {
  const push = {
    deliver_subject: `muster.push.${spec.stream}.${spec.group}`,
    deliver_group: spec.group,
  };
  return {
    durable_name: spec.group,
    ack_policy: AckPolicy.Explicit,
    max_deliver: -1,
    ack_wait: nanos(spec.ack_wait_ms),
    max_ack_pending: spec.max_ack_pending,
    filter_subjects: [...spec.subjects, replayFilter(spec.stream, spec.group)],
    ...(spec.delivery.mode === "push" ? push : {}),
  };
}

/** Writes a spec as it is, and returns its revision. */
export async function putSpec(nc: NatsConnection, spec: GroupSpec): Promise<number> {
  return putDocument(nc, spec, spec);
}

/** Writes anything in the place of a group's spec. */
export async function putDocument(
  nc: NatsConnection,
  at: { stream: string; group: string },
  document: unknown,
): Promise<number> {
  const groups = await new Kvm(nc).open(buckets.groups);
  return groups.put(groupKey(at.stream, at.group), JSON.stringify(document));
}
