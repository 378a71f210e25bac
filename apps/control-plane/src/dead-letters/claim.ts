// The claim on a dead letter: one replay of it at a time, with a lease so that a crash frees it.
import { randomUUID } from "node:crypto";
import { buckets } from "@muster/contracts";
import { z } from "zod";
import { deleteEntry, getEntry, putEntry, readBucket } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import type { DeadLetter } from "./read.ts";

/** How long a replay may take before another one may take it over. */
export const LEASE_MS = 30_000;

// Nothing asks for the marker of a claim: whoever comes late finds the letter gone. Kept, each replay would cost the
// server a key for ever.
const MARKER_TTL = "1h";

/**
 * What is kept of a replay. `claimed`: it is under way. `replayed`: kept where the dead letter went
 * back as another event, because no ledger row tells where its message went.
 */
export const ReplayRecord = z.object({
  v: z.literal(1),
  state: z.enum(["claimed", "replayed"]),
  owner: z.string(),
  id: z.string(),
  group: z.string(),
  event_id: z.string(),
  as_event_id: z.string().optional(),
  /** Which edit it is sent with. */
  edit: z.string().optional(),
  sequence: z.number(),
  store_time: z.string(),
  at: z.string(),
  lease_until: z.string(),
});
export type ReplayRecord = z.infer<typeof ReplayRecord>;

/** A claim that is ours, with the revision that proves it. */
export type Claim = { key: string; record: ReplayRecord; revision: number };

/** What a replay claims: which dead letter, and as which event it goes back. */
export type Claimed = Pick<ReplayRecord, "id" | "group" | "event_id" | "sequence" | "store_time"> & {
  as_event_id?: string;
  edit?: string;
};

/** The owner of the claims of moves: one that was killed is not taken for a replay that may have been sent. */
export const MOVER = "move";

/** What the claim on a dead letter says of it. */
export function claimOf(letter: DeadLetter): Omit<Claimed, "as_event_id" | "edit"> {
  return {
    id: letter.id,
    group: letter.group,
    event_id: letter.eventId,
    sequence: letter.seq,
    store_time: letter.storeTime,
  };
}

/** The record of a dead letter's replay, with its revision. A deleted one has only a revision. */
export async function readClaim(
  nats: Nats,
  stream: string,
  id: string,
): Promise<{ record?: ReplayRecord; revision: number }> {
  const entry = await getEntry(nats, buckets.replays, keyOf(stream, id));
  const record = entry?.value === undefined ? undefined : parse(entry.value);
  return { revision: entry?.revision ?? 0, ...(record === undefined ? {} : { record }) };
}

/** Whether somebody else's replay is under way. */
export function isHeld(record: ReplayRecord | undefined, nowMs: number): boolean {
  return record?.state === "claimed" && Date.parse(record.lease_until) > nowMs;
}

/** Takes the claim over what was read before; nothing when another replay was quicker. */
export async function takeClaim(
  nats: Nats,
  stream: string,
  what: Claimed,
  before: { revision: number },
  clock: { nowMs: number; leaseMs: number },
  owner: string = randomUUID(),
): Promise<Claim | undefined> {
  const key = keyOf(stream, what.id);
  const record: ReplayRecord = {
    v: 1,
    state: "claimed",
    owner,
    ...what,
    at: new Date(clock.nowMs).toISOString(),
    lease_until: new Date(clock.nowMs + clock.leaseMs).toISOString(),
  };
  const revision = await putEntry(nats, buckets.replays, key, JSON.stringify(record), before.revision);
  return revision === "conflict" ? undefined : { key, record, revision };
}

/** Ends a claim that came to nothing, or whose replay is done. One that was taken over is left alone. */
export async function releaseClaim(nats: Nats, claim: Claim): Promise<void> {
  await deleteEntry(nats, buckets.replays, claim.key, claim.revision, MARKER_TTL);
}

/** Ends the claim of a replay that is done; keeps a note where the letter went back as another event. */
export async function finishClaim(nats: Nats, claim: Claim): Promise<void> {
  if (claim.record.as_event_id === undefined) return await releaseClaim(nats, claim);
  const note: ReplayRecord = { ...claim.record, state: "replayed" };
  await putEntry(nats, buckets.replays, claim.key, JSON.stringify(note), claim.revision);
}

/** The claims and notes of a stream. */
export async function readClaims(nats: Nats, stream: string): Promise<ReplayRecord[]> {
  const entries = await readBucket(nats, buckets.replays, `${stream}.>`);
  return [...entries.values()].flatMap(({ value }) => parse(value) ?? []);
}

function keyOf(stream: string, id: string): string {
  // Ids of dead letters that Muster did not write may hold what keys refuse.
  const isPlain = /^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$/.test(id);
  return `${stream}.${isPlain ? id : `x.${Buffer.from(id).toString("hex").slice(0, 400)}`}`;
}

function parse(value: Uint8Array): ReplayRecord | undefined {
  try {
    return ReplayRecord.safeParse(JSON.parse(new TextDecoder().decode(value))).data;
  } catch {
    return undefined;
  }
}
