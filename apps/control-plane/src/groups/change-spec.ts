// Changes a stored spec by compare and set.
import { buckets, type GroupSpec, groupKey } from "@muster/contracts";
import { fail } from "../errors.ts";
import { putEntry } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { canonicalJson } from "./canonical.ts";
import { getSpec } from "./specs.ts";

const ROUNDS = 10;

/** The spec as it is stored after a change, and whether it was another before. */
export type ChangedSpec = { spec: GroupSpec; revision: number; isChanged: boolean };

/**
 * Applies `change` to the stored spec, again to what somebody else has written meanwhile. Throws `no_group`, and
 * `changed_meanwhile` where others keep writing.
 */
export async function changeSpec(
  nats: Nats,
  stream: string,
  group: string,
  change: (spec: GroupSpec) => GroupSpec,
): Promise<ChangedSpec> {
  for (let round = 0; round < ROUNDS; round++) {
    const { spec, revision } = await getSpec(nats, stream, group);
    const wanted = change(spec);
    const text = canonicalJson(wanted);
    if (text === canonicalJson(spec)) return { spec, revision, isChanged: false };
    const written = await putEntry(nats, buckets.groups, groupKey(stream, group), text, revision);
    if (written !== "conflict") return { spec: wanted, revision: written, isChanged: true };
  }
  throw fail(
    "changed_meanwhile",
    `the spec of group ${group} of stream ${stream} keeps being changed by others; try again when they are done`,
  );
}
