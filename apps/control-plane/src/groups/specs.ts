// Group specs as stored: one document a group, with its revision.
import { buckets, GroupSpec, groupKey } from "@muster/contracts";
import { fail } from "../errors.ts";
import { findEntry, readBucket } from "../nats/bucket.ts";
import { viewsOf } from "../nats/bucket-view.ts";
import type { Nats } from "../nats/connection.ts";

/** A stored spec. Revision 0 and no spec: there is none; a revision without spec: it was deleted. */
export type StoredSpec = { spec: GroupSpec | undefined; revision: number };

/** The spec of a group as it is stored now. Throws `bad_record` when it does not pass its schema. */
export async function readSpec(nats: Nats, stream: string, group: string): Promise<StoredSpec> {
  const key = groupKey(stream, group);
  const entry = await findEntry(nats, buckets.groups, key);
  if (entry?.value === undefined) return { spec: undefined, revision: entry?.revision ?? 0 };
  const spec = parseSpec(entry.value);
  if (spec === undefined)
    throw fail(
      "bad_record",
      `the spec stored for ${key} does not pass its schema; look at its history in ${buckets.groups}`,
    );
  return { spec, revision: entry.revision };
}

/** The spec of a group, or error `no_group`. */
export async function getSpec(
  nats: Nats,
  stream: string,
  group: string,
): Promise<{ spec: GroupSpec; revision: number }> {
  const { spec, revision } = await readSpec(nats, stream, group).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "no_bucket")
      return { spec: undefined, revision: 0 };
    throw error;
  });
  if (spec === undefined)
    throw fail(
      "no_group",
      `there is no group ${group} on stream ${stream}; \`groups list\` shows those there are`,
    );
  return { spec, revision };
}

const view = viewsOf(buckets.groups, parseSpec);

/** All specs, or those of one stream; what does not pass the schema is left out. */
export async function readSpecs(
  nats: Nats,
  stream?: string,
): Promise<{ spec: GroupSpec; revision: number }[]> {
  if (stream === undefined)
    return [...(await view(nats).read()).values()].map(({ value, revision }) => ({ spec: value, revision }));
  const entries = await readBucket(nats, buckets.groups, `${stream}.>`);
  return [...entries.values()].flatMap(({ value, revision }) => {
    const spec = parseSpec(value);
    return spec === undefined ? [] : [{ spec, revision }];
  });
}

function parseSpec(value: Uint8Array): GroupSpec | undefined {
  try {
    return GroupSpec.safeParse(JSON.parse(new TextDecoder().decode(value))).data;
  } catch {
    return undefined;
  }
}
