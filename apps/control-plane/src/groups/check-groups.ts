// All that can be refused of groups, looked at before anything is made.
import { type GroupSpec, replayFilter } from "@muster/contracts";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { DEAD_LETTER_ROOM, maxMessageSize } from "./change.ts";
import { checkFilters, checkStreamSubjects } from "./check-overlaps.ts";
import { checkSpec } from "./check-spec.ts";
import { type Entry, type Part, partsOf } from "./entries.ts";
import { checkAge } from "./silent-loss.ts";
import type { Snapshot } from "./snapshot.ts";
import { checkStreamFits } from "./stream-fit.ts";
import type { Source } from "./stream.ts";
import { smallest } from "./filter-index.ts";

/** A part that can be made: its source stream, unless it has none, and how many copies are kept. */
export type Checked = Part & {
  source: Source | undefined;
  isThere: boolean;
  retention: string;
  replicas: number;
};

/** Throws with a code and a way out, or gives what to make, by stream. Consumers, contracts and dead-letter streams are the plan's to check. */
export async function checkGroups(snapshot: Snapshot, entries: readonly Entry[]): Promise<Checked[]> {
  checkServer(snapshot.nats);
  for (const entry of entries) {
    checkSpec(entry.spec);
    if (entry.spec.delivery.mode === "queue") checkNoStream(entry);
  }
  const parts: Checked[] = [];
  for (const part of partsOf(entries)) parts.push(await checkPart(snapshot, part));
  await checkStreamSubjects(snapshot, parts);
  return parts;
}

/** The stream that a part's groups and all others that are stored for it need. */
export function sourceOf({ stream, options, adopt, entries }: Part, stored: readonly GroupSpec[]): Source {
  const specs = entries.map(({ spec }) => spec);
  const subjects = [...stored, ...specs].flatMap((spec) => spec.subjects);
  return {
    stream,
    options,
    adopt,
    needed: specs.flatMap((spec) => [...spec.subjects, replayFilter(stream, spec.group)]),
    subjects: smallest([...subjects, `muster.replay.${stream}.>`]),
  };
}

async function checkPart(snapshot: Snapshot, part: Part): Promise<Checked> {
  const { stream, options, entries } = part;
  if (!part.hasStream)
    return {
      ...part,
      source: undefined,
      isThere: false,
      retention: "none",
      replicas: options.replicas ?? 1,
    };
  const found = await snapshot.stream(stream);
  const stored = await snapshot.specs(stream);
  const source = sourceOf(part, stored);
  checkStreamFits(source, found);
  const mine = new Set(entries.map(({ spec }) => spec.group));
  const specs = [...entries.map(({ spec }) => spec), ...stored.filter(({ group }) => !mine.has(group))];
  checkAge(stream, options.max_age_ms ?? (found?.config.max_age ?? 0) / 1e6, specs);
  const retention = found?.config.retention ?? options.retention ?? "workqueue";
  if (retention === "workqueue") await checkFilters(snapshot, part);
  const replicas = options.replicas ?? found?.config.num_replicas ?? 1;
  return { ...part, source, isThere: found !== undefined, retention, replicas };
}

function checkNoStream({ spec, stream }: Entry): void {
  const { replicas: _, ...ofStream } = stream;
  const given = Object.entries(ofStream).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (given.length > 0)
    throw fail(
      "bad_request",
      `group ${spec.group} has mode queue, and with it no stream; leave out ${given.join(", ")}`,
    );
}

function checkServer(nats: Nats): void {
  if (maxMessageSize(nats) < DEAD_LETTER_ROOM) {
    throw fail(
      "server_unfit",
      `the server's max_payload of ${nats.nc.info?.max_payload} leaves no room for dead letters; set at least ${2 * DEAD_LETTER_ROOM}`,
    );
  }
}
