// The live members of groups, by their heartbeats.
import { setTimeout as sleep } from "node:timers/promises";
import { buckets, MemberRecord } from "@muster/contracts";
import { readBucket } from "../nats/bucket.ts";
import { viewsOf } from "../nats/bucket-view.ts";
import type { Nats, NatsLink } from "../nats/connection.ts";

const KEEP_MS = 1000;

const view = viewsOf(buckets.members, parse);

/** Live members by `<stream>.<group>`; a record that does not pass its schema is left out. */
export async function readMembers(
  nats: Nats,
  stream?: string,
  group?: string,
): Promise<Map<string, MemberRecord[]>> {
  const members = new Map<string, MemberRecord[]>();
  for (const [key, { value: record }] of await recordsOf(nats, stream, group)) {
    const groupKey = key.slice(0, key.lastIndexOf("."));
    const known = members.get(groupKey);
    if (known === undefined) members.set(groupKey, [record]);
    else known.push(record);
  }
  return members;
}

/** Keys of all live members, `<stream>.<group>.<member>`, for one request; good until the next turn of the event loop. */
export async function readMemberKeys(nats: Nats): Promise<Pick<ReadonlyMap<string, unknown>, "has">> {
  return await view(nats).read();
}

/** All of them come from memory, those of a stream or a group from the bucket. */
async function recordsOf(
  nats: Nats,
  stream: string | undefined,
  group: string | undefined,
): Promise<Iterable<[string, { value: MemberRecord }]>> {
  if (stream === undefined) return await view(nats).read();
  const entries = await readBucket(nats, buckets.members, `${stream}.${group ?? "*"}.>`);
  return [...entries].flatMap(([key, { value }]) => {
    const record = parse(value);
    return record === undefined ? [] : [[key, { value: record }] as [string, { value: MemberRecord }]];
  });
}

/** Keeps what is in memory up to date, so that nobody has to wait for all of it, until the signal aborts. */
export async function keepMembers(link: NatsLink, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // In an outage there is nothing to see; whoever asks is told.
    if (link.isUp)
      await view(link.current())
        .read()
        .catch(() => undefined);
    await sleep(KEEP_MS, undefined, { signal }).catch(() => undefined);
  }
}

function parse(value: Uint8Array): MemberRecord | undefined {
  try {
    return MemberRecord.safeParse(JSON.parse(new TextDecoder().decode(value))).data;
  } catch {
    return undefined;
  }
}
