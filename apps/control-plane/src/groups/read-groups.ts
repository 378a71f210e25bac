// Everything there is to know of all groups, in as few requests as streams.
import { type GroupSpec, groupKey, type MemberRecord } from "@muster/contracts";
import type { ConsumerInfo } from "@nats-io/jetstream";
import type { Nats } from "../nats/connection.ts";
import { pipelined } from "../pipelined.ts";
import { countDead } from "./dead.ts";
import { readMembers } from "./members.ts";
import { readSpecs } from "./specs.ts";

/** With two questions for each. */
const STREAMS_AT_ONCE = 32;

/** A group with its consumer, live members and dead letters. */
export type Group = {
  spec: GroupSpec;
  revision: number;
  /** Absent in a queue group, and where it is gone. */
  consumer: ConsumerInfo | undefined;
  members: MemberRecord[];
  deadByReason: Record<string, number>;
};

/** The groups that have a spec, ordered by stream and group. */
export async function readGroups(nats: Nats): Promise<Group[]> {
  const [specs, members] = await Promise.all([readSpecs(nats), readMembers(nats)]);
  const streams = [...new Set(specs.map(({ spec }) => spec.stream))];
  const [dead, consumers] = await Promise.all([
    byStream(streams, (stream) => countDead(nats, stream)),
    byStream(streams, (stream) => consumersOf(nats, stream)),
  ]);
  return specs
    .map(({ spec, revision }) => ({
      spec,
      revision,
      consumer: spec.delivery.mode === "queue" ? undefined : consumers.get(spec.stream)?.get(spec.group),
      members: members.get(groupKey(spec.stream, spec.group)) ?? [],
      deadByReason: dead.get(spec.stream)?.get(spec.group) ?? {},
    }))
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function keyOf({ spec }: Group): string {
  return groupKey(spec.stream, spec.group);
}

async function byStream<T>(
  streams: readonly string[],
  read: (stream: string) => Promise<T>,
): Promise<Map<string, T>> {
  return new Map(await pipelined(streams, STREAMS_AT_ONCE, async (stream) => [stream, await read(stream)]));
}

/** All consumers of a stream, those of others included; a stream that is gone has none. */
export async function listConsumers(nats: Nats, stream: string): Promise<ConsumerInfo[]> {
  const found: ConsumerInfo[] = [];
  try {
    for await (const consumer of nats.jsm.consumers.list(stream)) found.push(consumer);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === STREAM_NOT_FOUND)) throw error;
  }
  return found;
}

async function consumersOf(nats: Nats, stream: string): Promise<Map<string, ConsumerInfo>> {
  const consumers = stream === "core" ? [] : await listConsumers(nats, stream);
  return new Map(consumers.map((consumer) => [consumer.name, consumer]));
}

const STREAM_NOT_FOUND = 10059;
