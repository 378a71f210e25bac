// The source stream of a group and its dead-letter stream: what they must be, and making them so.
import { archiveFilter, dlqFilter, dlqStream, replayFilter } from "@muster/contracts";
import type { GroupSpec } from "@muster/contracts";
import type { StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { type Change, kindOf, mark, maxMessageSize, ns } from "./change.ts";
import { differencesBetween, type PlannedChange } from "./plan-change.ts";
import { createStream, findStream, getStream, updateStream } from "./streams.ts";
import { isCovered, isSameSet, smallest } from "./subjects.ts";

/** What an operator may say about the stream; what is left out stays, or takes its default when the stream is made. */
export type StreamOptions = {
  /** Default `workqueue`: a message leaves when its group has settled it. */
  retention?: "workqueue" | "limits" | "interest" | undefined;
  /** Messages older than this are dropped by the server, settled or not; default 0: kept. */
  max_age_ms?: number | undefined;
  /** Copies in a cluster; default 1. */
  replicas?: number | undefined;
  /** Default `file`. */
  storage?: "file" | "memory" | undefined;
};

const HOUR_MS = 3_600_000;

/** Throws when the stream that is there cannot serve the spec; says nothing when there is none. */
export function checkStreamFits(
  spec: GroupSpec,
  options: StreamOptions,
  found: StreamInfo | undefined,
): void {
  if (found === undefined) return;
  const { config } = found;
  const kind = kindOf(config);
  if (kind !== undefined && kind !== "source")
    throw fail("foreign", `stream ${spec.stream} is Muster's own ${kind}, no source of work`);
  for (const [field, given, is] of [
    ["retention", options.retention, config.retention],
    ["storage", options.storage, config.storage],
  ]) {
    if (given !== undefined && given !== is) {
      throw fail("needs_new_stream", `stream ${spec.stream} has ${field} ${is}; ${given} needs a new stream`);
    }
  }
  if (kind === undefined) checkForeign(spec, options, found);
}

/** What would become of the stream; one that others made is left alone. */
export async function planStream(
  nats: Nats,
  spec: GroupSpec,
  options: StreamOptions,
  subjects: readonly string[],
): Promise<PlannedChange> {
  const what = `stream ${spec.stream}`;
  const found = await findStream(nats, spec.stream);
  if (found === undefined) {
    const differences = differencesBetween({}, newSource(nats, spec, options, subjects));
    return { what, change: "create", differences };
  }
  if (kindOf(found.config) === undefined) return { what, change: "adopt", differences: [] };
  const patch = sourceChanges(nats, found.config, options, subjects);
  const differences = differencesBetween(found.config, patch);
  return { what, change: differences.length === 0 ? "unchanged" : "update", differences };
}

/** The stream as it should be for the spec and all other groups on it; others' streams are left alone. */
export async function provisionStream(
  nats: Nats,
  spec: GroupSpec,
  options: StreamOptions,
  subjects: readonly string[],
): Promise<Change["change"]> {
  const found = await findStream(nats, spec.stream);
  if (found === undefined) {
    const made = await createStream(nats, { name: spec.stream, ...newSource(nats, spec, options, subjects) });
    if (made === "created") return "created";
    checkStreamFits(spec, options, await getStream(nats, spec.stream));
    return await provisionStream(nats, spec, options, subjects);
  }
  if (kindOf(found.config) === undefined) return "adopted";
  const changes = sourceChanges(nats, found.config, options, subjects);
  if (Object.keys(changes).length === 0) return "unchanged";
  await updateStream(nats, spec.stream, changes);
  return "updated";
}

/** What would become of the dead-letter stream of a source. */
export async function planDlq(nats: Nats, stream: string): Promise<PlannedChange> {
  const name = dlqStream(stream);
  const what = `stream ${name}`;
  const found = await findStream(nats, name);
  if (found === undefined)
    return { what, change: "create", differences: [{ field: "subjects", wanted: dlqSubjects(stream) }] };
  const missing = missingInDlq(stream, found);
  if (kindOf(found.config) !== "dlq") return { what, change: "adopt", differences: [] };
  const subjects = smallest([...found.config.subjects, ...missing]);
  return missing.length === 0
    ? { what, change: "unchanged", differences: [] }
    : { what, change: "update", differences: differencesBetween(found.config, { subjects }) };
}

/** The dead-letter stream of a source. It refuses when full: nothing in it is ever dropped for something new. */
export async function provisionDlq(nats: Nats, stream: string, replicas: number): Promise<Change["change"]> {
  const name = dlqStream(stream);
  const found = await findStream(nats, name);
  if (found === undefined) {
    const made = await createStream(nats, { name, subjects: dlqSubjects(stream), ...dlqConfig(replicas) });
    return made === "created" ? "created" : "unchanged";
  }
  const missing = missingInDlq(stream, found);
  if (kindOf(found.config) !== "dlq") return "adopted";
  if (missing.length === 0) return "unchanged";
  await updateStream(nats, name, { subjects: smallest([...found.config.subjects, ...missing]) });
  return "updated";
}

function dlqSubjects(stream: string): string[] {
  return [dlqFilter(stream), archiveFilter(stream)];
}

/** The subjects a dead-letter stream does not take yet; throws for one of others' that cannot hold dead letters. */
function missingInDlq(stream: string, { config }: StreamInfo): string[] {
  const subjects = dlqSubjects(stream);
  const missing = subjects.filter((subject) => !isCovered(config.subjects, subject));
  const fits = missing.length === 0 && config.retention === "limits" && config.discard === "new";
  if (kindOf(config) === "dlq" || fits) return missing;
  throw fail(
    "foreign",
    `stream ${dlqStream(stream)} was not made by Muster and cannot hold dead letters; it must have subjects ${subjects.join(", ")}, retention limits, discard new`,
  );
}

function newSource(
  nats: Nats,
  spec: GroupSpec,
  options: StreamOptions,
  subjects: readonly string[],
): Partial<StreamConfig> {
  return {
    subjects: [...subjects],
    retention: options.retention ?? "workqueue",
    storage: options.storage ?? "file",
    num_replicas: options.replicas ?? 1,
    max_age: ns(options.max_age_ms ?? 0),
    max_msg_size: maxMessageSize(nats),
    // Full must mean refused: dropping the oldest would lose accepted work silently.
    discard: "new",
    allow_direct: true,
    metadata: { ...mark("source"), "muster.stream": spec.stream },
  };
}

function sourceChanges(
  nats: Nats,
  is: StreamConfig,
  options: StreamOptions,
  subjects: readonly string[],
): Partial<StreamConfig> {
  const changes: Partial<StreamConfig> = {};
  // Subjects are only ever added: another group may need the rest.
  const wanted = smallest([...is.subjects, ...subjects]);
  if (!isSameSet(is.subjects, wanted)) changes.subjects = wanted;
  if (is.max_msg_size !== maxMessageSize(nats)) changes.max_msg_size = maxMessageSize(nats);
  if (options.max_age_ms !== undefined && is.max_age !== ns(options.max_age_ms))
    changes.max_age = ns(options.max_age_ms);
  if (options.replicas !== undefined && is.num_replicas !== options.replicas)
    changes.num_replicas = options.replicas;
  if (!is.allow_direct) changes.allow_direct = true;
  return changes;
}

function dlqConfig(replicas: number): Partial<StreamConfig> {
  return {
    retention: "limits",
    storage: "file",
    num_replicas: replicas,
    discard: "new",
    duplicate_window: ns(HOUR_MS),
    allow_direct: true,
    metadata: mark("dlq"),
  };
}

function checkForeign(spec: GroupSpec, options: StreamOptions, { config }: StreamInfo): void {
  const problems = [...spec.subjects, replayFilter(spec.stream, spec.group)]
    .filter((subject) => !isCovered(config.subjects, subject))
    .map((subject) => `its subjects do not cover ${subject}`);
  if (config.no_ack) problems.push("it sends no acks to publishers (no_ack)");
  if (config.sealed) problems.push("it is sealed");
  if (options.max_age_ms !== undefined && config.max_age !== ns(options.max_age_ms))
    problems.push("its max_age is another");
  if (options.replicas !== undefined && config.num_replicas !== options.replicas)
    problems.push("it has another number of replicas");
  if (problems.length === 0) return;
  throw fail(
    "foreign",
    `stream ${spec.stream} was not made by Muster, which leaves it as it is, and does not fit: ${problems.join("; ")}; change it with the tool that made it`,
  );
}
