// The consumer of a group: durable name is the group's, unlimited deliveries, explicit acks.
import { type GroupSpec, replayFilter } from "@muster/contracts";
import {
  type ConsumerConfig,
  type ConsumerInfo,
  JetStreamApiError,
  type StreamInfo,
} from "@nats-io/jetstream";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { type Change, kindOf, mark, ns } from "./change.ts";
import { isSameSet, overlap } from "./subjects.ts";

const NOT_FOUND = 10014;
const NAME_IN_USE = new Set([10013, 10148]);
const FILTERS_OVERLAP = new Set([10099, 10100, 10136, 10138]);

/** The consumer of the group, or nothing. */
export async function findConsumer(
  nats: Nats,
  stream: string,
  group: string,
): Promise<ConsumerInfo | undefined> {
  try {
    return await nats.jsm.consumers.info(stream, group);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NOT_FOUND) return undefined;
    throw error;
  }
}

/** What the consumer of a group takes: the group's subjects, and its own replays. */
export function filtersOf(spec: GroupSpec): string[] {
  return [...spec.subjects, replayFilter(spec.stream, spec.group)];
}

/** The filters of a consumer, however it was given them; none means all. */
export function filtersOfConsumer(config: ConsumerConfig): string[] {
  if (config.filter_subjects !== undefined && config.filter_subjects.length > 0)
    return config.filter_subjects;
  return [config.filter_subject || ">"];
}

/** Throws when a consumer of the group's name cannot serve it, or others on a work queue take the same subjects. */
export async function checkConsumerFits(
  nats: Nats,
  spec: GroupSpec,
  stream: StreamInfo | undefined,
): Promise<void> {
  if (stream === undefined) return;
  const found = await findConsumer(nats, spec.stream, spec.group);
  if (found !== undefined) checkFound(spec, found.config);
  if (stream.config.retention !== "workqueue") return;
  for await (const other of nats.jsm.consumers.list(spec.stream)) {
    if (other.name === spec.group) continue;
    const theirs = filtersOfConsumer(other.config);
    const mine = filtersOf(spec).find((subject) => theirs.some((filter) => overlap(subject, filter)));
    if (mine !== undefined)
      throw overlapping(spec, `${other.name} takes ${theirs.join(", ")} already, which overlaps ${mine}`);
  }
}

/** Makes the consumer fit the spec; one that others made is left as it is. */
export async function provisionConsumer(nats: Nats, spec: GroupSpec): Promise<Change["change"]> {
  const found = await findConsumer(nats, spec.stream, spec.group);
  if (found === undefined) return await create(nats, spec);
  checkFound(spec, found.config);
  if (kindOf(found.config) === undefined) return "adopted";
  if (isAsWanted(spec, found.config)) return "unchanged";
  const { ack_wait, max_ack_pending, max_deliver, filter_subjects, metadata } = wantedConfig(spec);
  await inWords(
    spec,
    nats.jsm.consumers.update(spec.stream, spec.group, {
      ack_wait,
      max_ack_pending,
      max_deliver,
      filter_subjects,
      metadata,
    }),
  );
  return "updated";
}

async function create(nats: Nats, spec: GroupSpec): Promise<Change["change"]> {
  try {
    await inWords(spec, nats.jsm.consumers.add(spec.stream, wantedConfig(spec)));
    return "created";
  } catch (error) {
    // Two applies at once: the other one was first, and now it is an update.
    if (error instanceof JetStreamApiError && NAME_IN_USE.has(error.code))
      return await provisionConsumer(nats, spec);
    throw error;
  }
}

function wantedConfig(spec: GroupSpec) {
  return {
    durable_name: spec.group,
    ack_policy: "explicit" as const,
    deliver_policy: "all" as const,
    // Finite would leave messages behind that nobody delivers or counts; the attempts record is the limit.
    max_deliver: -1,
    ack_wait: ns(spec.ack_wait_ms),
    max_ack_pending: spec.max_ack_pending,
    filter_subjects: filtersOf(spec),
    metadata: { ...mark("group"), "muster.group": spec.group },
  };
}

function isAsWanted(spec: GroupSpec, is: ConsumerConfig): boolean {
  return differences(spec, is).length === 0;
}

function differences(spec: GroupSpec, is: ConsumerConfig): string[] {
  const wanted = wantedConfig(spec);
  const found: string[] = [];
  if (is.ack_wait !== wanted.ack_wait)
    found.push(`ack_wait is ${Number(is.ack_wait) / 1e6} ms, not ${spec.ack_wait_ms} ms`);
  if (is.max_ack_pending !== wanted.max_ack_pending)
    found.push(`max_ack_pending is ${is.max_ack_pending}, not ${spec.max_ack_pending}`);
  if (is.max_deliver !== -1) found.push(`max_deliver is ${is.max_deliver}, not -1`);
  if (!isSameSet(filtersOfConsumer(is), wanted.filter_subjects))
    found.push(`filters are ${filtersOfConsumer(is).join(", ")}, not ${wanted.filter_subjects.join(", ")}`);
  return found;
}

function checkFound(spec: GroupSpec, is: ConsumerConfig): void {
  const fixed: string[] = [];
  if (is.ack_policy !== "explicit") fixed.push(`ack policy ${is.ack_policy}`);
  if (is.deliver_policy !== "all") fixed.push(`deliver policy ${is.deliver_policy}`);
  if (is.deliver_subject) fixed.push("push delivery");
  if (is.backoff !== undefined && is.backoff.length > 0) fixed.push("a backoff, which overwrites ack_wait");
  const name = `consumer ${spec.group} of stream ${spec.stream}`;
  if (fixed.length > 0)
    throw fail(
      "needs_new_consumer",
      `${name} has ${fixed.join(", ")}; that needs a new consumer: delete it, or choose another group name`,
    );
  if (kindOf(is) !== undefined) return;
  const other = differences(spec, is);
  if (other.length > 0)
    throw fail(
      "foreign",
      `${name} was not made by Muster, which leaves it as it is, and does not fit: ${other.join("; ")}; change it with the tool that made it, or the spec`,
    );
}

async function inWords<T>(spec: GroupSpec, request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof JetStreamApiError && FILTERS_OVERLAP.has(error.code))
      throw overlapping(spec, error.message);
    throw error;
  }
}

function overlapping(spec: GroupSpec, why: string): Error {
  return fail(
    "overlapping_filters",
    `group ${spec.group} cannot take ${spec.subjects.join(", ")} from stream ${spec.stream}: on a work queue a message has one group (${why}); use other subjects, or a stream with retention limits`,
  );
}
