// What the consumer of a group must be: durable name is the group's, unlimited deliveries, explicit acks.
import { type GroupSpec, pushSubject, replayFilter } from "@muster/contracts";
import type { ConsumerConfig, ConsumerInfo } from "@nats-io/jetstream";
import { kindOf, mark, ns } from "./change.ts";
import { type Difference, differencesBetween } from "./plan-change.ts";
import { isSameSet } from "./subjects.ts";
import { placeMark } from "./take-over.ts";

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

/** The consumer as it is made. */
export function wantedConsumer(spec: GroupSpec) {
  return {
    durable_name: spec.group,
    ack_policy: "explicit" as const,
    deliver_policy: "all" as const,
    // Without flow control and heartbeats: members are core subscribers, nobody would answer them.
    ...(spec.delivery.mode === "push"
      ? { deliver_subject: pushSubject(spec.stream, spec.group), deliver_group: spec.group }
      : {}),
    // Finite would leave messages behind that nobody delivers or counts; the attempts record is the limit.
    max_deliver: -1,
    ack_wait: ns(spec.ack_wait_ms),
    max_ack_pending: spec.max_ack_pending,
    filter_subjects: filtersOf(spec),
    metadata: { ...mark("group"), "muster.group": spec.group },
  };
}

/** What an update can change of the consumer. */
function changeableOf(spec: GroupSpec) {
  const { ack_wait, max_ack_pending, max_deliver, filter_subjects, metadata } = wantedConsumer(spec);
  return { ack_wait, max_ack_pending, max_deliver, filter_subjects, metadata };
}

/** What makes the consumer that is there the group's. Metadata of others stays. */
export function updateOf(
  spec: GroupSpec,
  { config: is, delivered }: Pick<ConsumerInfo, "config" | "delivered">,
): Partial<ConsumerConfig> {
  const wanted = changeableOf(spec);
  return {
    ...wanted,
    ...unhindered(is),
    // The server takes one of the two fields only.
    ...(is.filter_subject ? { filter_subject: "" } : {}),
    metadata: {
      ...is.metadata,
      ...(kindOf(is) === undefined ? placeMark(delivered.stream_seq) : {}),
      ...wanted.metadata,
    },
  };
}

/** Where the consumer that is there differs in what an update can change; empty: it is as the spec wants it. */
export function differences(spec: GroupSpec, is: ConsumerConfig): Difference[] {
  // Filters are a set, and a consumer may have been given one of them in another field.
  const filters = filtersOfConsumer(is);
  const wanted = { ...changeableOf(spec), ...unhindered(is) };
  const filter_subjects = isSameSet(filters, wanted.filter_subjects) ? filters : wanted.filter_subjects;
  return differencesBetween({ ...is, filter_subjects: filters }, { ...wanted, filter_subjects });
}

/** What others may have set and members cannot live with, taken away. */
function unhindered(is: ConsumerConfig): Partial<ConsumerConfig> {
  return {
    // It overwrites ack_wait.
    ...(is.backoff !== undefined && is.backoff.length > 0 ? { backoff: [] } : {}),
    // Bodies would be missing, and every message invalid.
    ...(is.headers_only ? { headers_only: false } : {}),
    // It would be deleted, its place with it, while no member lives.
    ...(is.inactive_threshold ? { inactive_threshold: 0 } : {}),
    // Pulls that ask for more are refused.
    ...(is.max_batch ? { max_batch: 0 } : {}),
    ...(is.max_expires ? { max_expires: 0 } : {}),
    ...(is.max_bytes ? { max_bytes: 0 } : {}),
  };
}

/** Where it differs in what no update can change; empty: it can serve the group. */
export function fixedDifferences(spec: GroupSpec, is: ConsumerConfig): string[] {
  const found: string[] = [];
  if (is.ack_policy !== "explicit") found.push(`ack policy is ${is.ack_policy}, not explicit`);
  if (is.deliver_policy !== "all") found.push(`deliver policy is ${is.deliver_policy}, not all`);
  if (is.replay_policy === "original") found.push("it delivers at the speed of publishing (replay original)");
  if (is.priority_groups !== undefined && is.priority_groups.length > 0)
    found.push("it has priority groups, which members do not name");
  return [...found, ...(spec.delivery.mode === "push" ? notPushed(spec, is) : notPulled(spec, is))];
}

function notPushed(spec: GroupSpec, is: ConsumerConfig): string[] {
  const subject = pushSubject(spec.stream, spec.group);
  if (!is.deliver_subject) return ["it is pulled from, and mode push has the server push"];
  const found: string[] = [];
  if (is.deliver_subject !== subject) found.push(`it pushes to ${is.deliver_subject}, not ${subject}`);
  if (is.deliver_group !== spec.group)
    found.push(`its deliver group is ${is.deliver_group || "none"}, not ${spec.group}`);
  if (is.flow_control) found.push("it has flow control, which members do not answer");
  if (is.idle_heartbeat) found.push("it has idle heartbeats, which members do not know");
  return found;
}

function notPulled(spec: GroupSpec, is: ConsumerConfig): string[] {
  return is.deliver_subject
    ? [`the server pushes to ${is.deliver_subject}, and in mode ${spec.delivery.mode} members pull`]
    : [];
}
