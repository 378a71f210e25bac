// The source stream of groups: what would become of it, and making it fit.
import type { StreamConfig } from "@nats-io/jetstream";
import type { Nats } from "../nats/connection.ts";
import { type Change, kindOf, mark, maxMessageSize, ns } from "./change.ts";
import { differencesBetween, type PlannedChange } from "./plan-change.ts";
import type { Snapshot } from "./snapshot.ts";
import { checkStreamFits } from "./stream-fit.ts";
import { createStream, findStream, getStream, updateStream } from "./streams.ts";
import { smallest } from "./filter-index.ts";
import { isSameSet } from "./subjects.ts";
import { placeMark, planOf, takingOver } from "./take-over.ts";

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

/** The stream as groups want it. */
export type Source = {
  stream: string;
  /** What the groups that are applied need of it: a stream that others made has to take it already. */
  needed: readonly string[];
  /** All subjects it shall have; other groups may need more than those that are applied. */
  subjects: readonly string[];
  options: StreamOptions;
  /** Whether one that others made is taken over. */
  adopt: boolean;
};

/** What would become of the stream; one that others made is left alone, or taken over. */
export async function planStream(snapshot: Snapshot, source: Source): Promise<PlannedChange> {
  const what = `stream ${source.stream}`;
  const found = await snapshot.stream(source.stream);
  if (found === undefined)
    return { what, change: "create", differences: differencesBetween({}, newSource(snapshot.nats, source)) };
  const patch = sourceChanges(snapshot.nats, found.config, source);
  return planOf(what, found.config, patch, { kind: "source", adopt: source.adopt });
}

/** The stream as it should be for all groups on it; others' streams are left alone unless they are taken over. */
export async function provisionStream(nats: Nats, source: Source): Promise<Change["change"]> {
  const { stream, adopt } = source;
  const found = await findStream(nats, stream);
  if (found === undefined) {
    const made = await createStream(nats, { name: stream, ...newSource(nats, source) });
    if (made === "created") return "created";
    checkStreamFits(source, await getStream(nats, stream));
    return await provisionStream(nats, source);
  }
  const isOurs = kindOf(found.config) !== undefined;
  if (!isOurs && !adopt) return "adopted";
  const changes = sourceChanges(nats, found.config, source);
  if (!isOurs) {
    checkStreamFits(source, found);
    const marked = { ...marks(stream), ...placeMark(found.state.last_seq) };
    await updateStream(nats, stream, takingOver(found.config, changes, marked));
    return "taken_over";
  }
  if (Object.keys(changes).length === 0) return "unchanged";
  await updateStream(nats, stream, changes);
  return "updated";
}

function newSource(nats: Nats, { stream, options, subjects }: Source): Partial<StreamConfig> {
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
    metadata: marks(stream),
  };
}

function marks(stream: string): Record<string, string> {
  return { ...mark("source"), "muster.stream": stream };
}

function sourceChanges(nats: Nats, is: StreamConfig, { options, subjects }: Source): Partial<StreamConfig> {
  const changes: Partial<StreamConfig> = {};
  // Subjects are only ever added: another group may need the rest.
  const wanted = smallest([...is.subjects, ...subjects]);
  if (!isSameSet(is.subjects, wanted)) changes.subjects = wanted;
  if (is.max_msg_size !== maxMessageSize(nats)) changes.max_msg_size = maxMessageSize(nats);
  if (options.max_age_ms !== undefined && is.max_age !== ns(options.max_age_ms))
    changes.max_age = ns(options.max_age_ms);
  if (options.replicas !== undefined && is.num_replicas !== options.replicas)
    changes.num_replicas = options.replicas;
  return { ...changes, ...neverSilent(is) };
}

/** What a stream of accepted work needs so that it drops nothing, and answers: also a dead-letter stream. */
export function neverSilent(is: StreamConfig): Partial<StreamConfig> {
  return {
    ...(is.allow_direct ? {} : { allow_direct: true }),
    ...(is.discard === "new" ? {} : { discard: "new" as const }),
    // A limit by subject drops the oldest of the subject whatever discard says.
    ...(is.max_msgs_per_subject > 0 && !is.discard_new_per_subject ? { discard_new_per_subject: true } : {}),
    ...(is.no_ack ? { no_ack: false } : {}),
  };
}
