// What a file says of its groups, put together by stream; what contradicts itself is refused.
import { type GroupSpec, groupKey } from "@muster/contracts";
import { fail } from "../errors.ts";
import type { StreamOptions } from "./stream.ts";

/** A group as a file has it. */
export type Entry = {
  spec: GroupSpec;
  /** What its stream shall be. */
  stream: StreamOptions;
  /** Whether what others made, stream, dead-letter stream and consumer, is taken over. */
  adopt: boolean;
};

/** The entries of one stream, and what all of them together say of it. */
export type Part = {
  stream: string;
  /** Not in a part of queue groups. */
  hasStream: boolean;
  options: StreamOptions;
  /** Whether one of them takes the stream over. */
  adopt: boolean;
  entries: Entry[];
};

/** The parts in the order in which the streams come. Throws `bad_file`. */
export function partsOf(entries: readonly Entry[]): Part[] {
  const seen = new Set<string>();
  for (const { spec } of entries) {
    const key = groupKey(spec.stream, spec.group);
    if (seen.has(key))
      throw fail("bad_file", `group ${spec.group} of stream ${spec.stream} is in the file twice; keep one`);
    seen.add(key);
  }
  return [...Map.groupBy(entries, ({ spec }) => spec.stream)].map(([stream, ofStream]) => ({
    stream,
    hasStream: ofStream.some(({ spec }) => spec.delivery.mode !== "queue"),
    options: together(stream, ofStream),
    adopt: ofStream.some(({ adopt }) => adopt),
    entries: ofStream,
  }));
}

/** An option that one group gives holds for the stream; two that differ cannot both hold. */
function together(stream: string, entries: readonly Entry[]): StreamOptions {
  const given = new Map<string, { value: unknown; group: string }>();
  for (const { spec, stream: options } of entries) {
    for (const [name, value] of Object.entries(options)) {
      if (value === undefined) continue;
      const other = given.get(name);
      if (other !== undefined && other.value !== value)
        throw fail(
          "bad_file",
          `stream ${stream} has ${name} ${String(other.value)} by group ${other.group} and ${String(value)} by group ${spec.group}; give it once, or alike`,
        );
      given.set(name, { value, group: spec.group });
    }
  }
  return Object.fromEntries([...given].map(([name, { value }]) => [name, value])) as StreamOptions;
}
