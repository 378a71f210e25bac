// Who else takes the same subjects: consumers of a work queue, and streams.
import { dlqStream } from "@muster/contracts";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import type { Checked } from "./check-groups.ts";
import { overlappingFilters } from "./consumer.ts";
import { filtersOf, filtersOfConsumer } from "./consumer-config.ts";
import type { Entry, Part } from "./entries.ts";
import { FilterIndex } from "./filter-index.ts";
import type { Snapshot } from "./snapshot.ts";
import { isCovered } from "./subjects.ts";
import { kindOf } from "./change.ts";

/** Throws `overlapping_filters` where the server would refuse a consumer of a work queue, one applied after the other. */
export async function checkFilters(snapshot: Snapshot, { stream, entries }: Part): Promise<void> {
  const [consumers, index] = await Promise.all([snapshot.consumers(stream), snapshot.filters(stream)]);
  try {
    checkEach(entries, index);
  } finally {
    // It is the snapshot's, and others are checked against it too.
    for (const { spec } of entries) {
      const found = consumers.get(spec.group);
      if (found === undefined) index.delete(spec.group);
      else index.set(spec.group, filtersOfConsumer(found.config));
    }
  }
}

function checkEach(entries: readonly Entry[], index: FilterIndex): void {
  const waiting = new Set(entries.map(({ spec }) => spec.group));
  for (const { spec } of entries) {
    waiting.delete(spec.group);
    index.delete(spec.group);
    for (const mine of filtersOf(spec)) {
      const other = index.overlapping(mine);
      if (other === undefined) continue;
      const theirs = index.filtersOf(other).join(", ");
      const order = waiting.has(other)
        ? `; ${other} comes further down in the file: where it gives them up, put it first`
        : "";
      throw overlappingFilters(spec, `${other} takes ${theirs} already, which overlaps ${mine}${order}`);
    }
    index.set(spec.group, filtersOf(spec));
  }
}

/** Throws `overlapping_subjects` where a stream would get subjects that another one has, or that overlap each other. */
export async function checkStreamSubjects(snapshot: Snapshot, parts: readonly Checked[]): Promise<void> {
  const index = new FilterIndex();
  for (const part of parts) {
    const { stream, source } = part;
    if (source === undefined) continue;
    const fresh = await freshSubjects(snapshot, part);
    for (const subject of fresh) {
      const other = index.overlapping(subject) ?? (await otherWith(snapshot.nats, stream, subject));
      if (other !== undefined)
        throw overlapping(stream, subject, `stream ${other} takes it too, or a part of it`);
    }
    if (fresh.length > 0) checkOwn(stream, source.subjects);
    if (parts.length > 1) index.set(stream, source.subjects);
  }
}

/** What the stream does not take yet, and would; others' streams are left as they are. */
async function freshSubjects(snapshot: Snapshot, { stream, source, adopt }: Checked): Promise<string[]> {
  const found = await snapshot.stream(stream);
  if (found !== undefined && kindOf(found.config) === undefined && !adopt) return [];
  const has = new Set(found?.config.subjects);
  return (source?.subjects ?? []).filter((subject) => !has.has(subject) && !isCovered([...has], subject));
}

function checkOwn(stream: string, subjects: readonly string[]): void {
  const index = new FilterIndex();
  for (const subject of subjects) {
    const other = index.overlapping(subject);
    if (other !== undefined) throw overlapping(stream, subject, `it overlaps ${other}, of the same stream`);
    index.set(subject, [subject]);
  }
}

async function otherWith(nats: Nats, stream: string, subject: string): Promise<string | undefined> {
  for await (const name of nats.jsm.streams.names(subject))
    if (name !== stream && name !== dlqStream(stream)) return name;
  return undefined;
}

function overlapping(stream: string, subject: string, why: string): Error {
  return fail(
    "overlapping_subjects",
    `stream ${stream} cannot have subject ${subject}: ${why}; use other subjects, or that stream`,
  );
}
