// The live members of groups, by their heartbeats.
import { buckets, MemberRecord } from "@muster/contracts";
import { readBucket } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";

/** Live members by `<stream>.<group>`; a record that does not pass its schema is left out. */
export async function readMembers(
  nats: Nats,
  stream?: string,
  group?: string,
): Promise<Map<string, MemberRecord[]>> {
  const filter = stream === undefined ? ">" : group === undefined ? `${stream}.>` : `${stream}.${group}.>`;
  const members = new Map<string, MemberRecord[]>();
  for (const [key, { value }] of await readBucket(nats, buckets.members, filter)) {
    const record = parse(value);
    if (record === undefined) continue;
    const groupKey = key.split(".").slice(0, 2).join(".");
    members.set(groupKey, [...(members.get(groupKey) ?? []), record]);
  }
  return members;
}

function parse(value: Uint8Array): MemberRecord | undefined {
  try {
    return MemberRecord.safeParse(JSON.parse(new TextDecoder().decode(value))).data;
  } catch {
    return undefined;
  }
}
