// Who joined, left or crashed, as it happens: the members' bucket watched, and read anew now and then.
import { buckets, MEMBER_TTL_MS, MemberRecord } from "@muster/contracts";
import { DeliverPolicy } from "@nats-io/jetstream";
import { z } from "zod";
import { bucketStream, getEntries, getEntry } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { Queue } from "../queue.ts";
import { Heard } from "./heard.ts";
import { endsOf } from "./member-ends.ts";
import { readMembers } from "./members.ts";

/** What happened to a member. `here`: it was there when the watch began. `gone`: it left or crashed unseen. */
export const MemberEvent = z
  .strictObject({
    event: z
      .enum(["here", "joined", "changed", "left", "crashed", "gone"])
      .describe("here: it was there when the watch began; gone: it left or crashed unseen"),
    at: z.string(),
    stream: z.string(),
    group: z.string(),
    member: z.string(),
    language: z.string().optional(),
    state: MemberRecord.shape.state.optional(),
    degraded: z.boolean().optional(),
  })
  .meta({ id: "MemberEvent" });
export type MemberEvent = z.infer<typeof MemberEvent>;

/** Which members: all, those of a stream, or of one group. */
export type EventsOf = { stream?: string | undefined; group?: string | undefined };

/** What came from the bucket, */
export type News = { key: string; record: MemberRecord } | { key: string; end: "left" | "crashed" };
/** or from a timer. */
type Seen = News | { look: true };

const LOOK_MS = 15_000;
/** How often it is looked whose heartbeats have stopped. */
const SWEEP_MS = 500;
/** How much sooner than we do the list may let go of a record that has expired. */
const EARLY_MS = 1000;

/**
 * Ends when the signal aborts. A crash is announced when the record has expired, of which the server says nothing: who
 * was not heard of for so long is looked for. After a reconnect of our own only one `ttlMs` later, for then records have
 * expired of members that could not write either, and write again. `ttlMs`: the bucket's. Throws `no_bucket` where no
 * group was ever applied.
 */
export async function* memberEvents(
  nats: Nats,
  of: EventsOf,
  signal: AbortSignal,
  { ttlMs: given, lookMs = LOOK_MS }: { ttlMs?: number; lookMs?: number } = {},
): AsyncGenerator<MemberEvent> {
  await getEntry(nats, buckets.members, "none");
  const ttlMs = given ?? (await ttlOf(nats));
  const known = new Map<string, MemberRecord>();
  const heard = new Heard();
  /** Crashes that are not believed yet, with when they are. */
  const doubted = new Map<string, number>();
  let quietUntil = 0;
  const queue = new Queue<Seen>(signal);
  const stopStatus = onReconnect(nats, () => (quietUntil = Date.now() + ttlMs));
  const look = setInterval(
    () => {
      if (queue.isEmpty) queue.push({ look: true });
    },
    Math.min(lookMs, ttlMs / 4, SWEEP_MS),
  );
  try {
    for (const [key, record] of await recordsOf(nats, of)) {
      known.set(key, record);
      yield eventOf("here", key, record);
    }
    const news = newsOnly((seen) => queue.push(seen));
    await watch(nats, of, { news, heard, signal });
    // Whose end is told is news when it beats again, with whatever it says.
    const end = (key: string, how: "left" | "crashed" | "gone") => {
      news.forget(key);
      return ended(known, key, how);
    };
    let lookedAt = Date.now();
    for await (const seen of queue) {
      if ("look" in seen) {
        const due = [...doubted.keys()].filter((key) => (doubted.get(key) ?? 0) <= Date.now());
        // Where it cannot be known, the marker is believed.
        const there = await getEntries(nats, buckets.members, due).catch(() => undefined);
        for (const key of due) {
          doubted.delete(key);
          if (there?.get(key)?.value === undefined) yield* end(key, "crashed");
        }
        if (Date.now() < quietUntil) continue;
        const silent = [...known.keys()].filter((key) => heard.isOverdue(key, ttlMs));
        for (const [key, how] of await endsOf(nats, silent)) {
          // Meanwhile it may have been heard of again, or the connection lost.
          if (Date.now() >= quietUntil && heard.isOverdue(key, ttlMs)) yield* end(key, how);
        }
        if (Date.now() - lookedAt < lookMs) continue;
        lookedAt = Date.now();
        // What a watch has missed, whatever the reason; in an outage there is nothing to see.
        const now = await recordsOf(nats, of).catch(() => undefined);
        if (now === undefined) continue;
        // The list lets go of a record when its time is over, which may be a moment before the sweep asks.
        const lateMs = ttlMs - Math.min(EARLY_MS, ttlMs / 4);
        // All judged now: who is told of them may be slow to listen.
        const missing = [...known.keys()]
          .filter((key) => !now.has(key) && !doubted.has(key))
          .map((key) => [key, heard.isOverdue(key, lateMs) ? "crashed" : "gone"] as const);
        for (const [key, how] of missing) yield* end(key, how);
        heard.keep((key) => known.has(key) || now.has(key));
        for (const [key, record] of now) yield* arrived(known, key, record);
      } else if ("end" in seen) {
        if (seen.end === "crashed" && Date.now() < quietUntil) doubted.set(seen.key, quietUntil);
        // The watch may be behind: what has a record by now wrote it again, and that is still to come.
        else if (seen.end === "left" || !(await isThere(nats, seen.key))) yield* end(seen.key, seen.end);
      } else {
        doubted.delete(seen.key);
        yield* arrived(known, seen.key, seen.record);
      }
    }
  } finally {
    clearInterval(look);
    stopStatus();
  }
}

function* arrived(
  known: Map<string, MemberRecord>,
  key: string,
  record: MemberRecord,
): Generator<MemberEvent> {
  const before = known.get(key);
  known.set(key, record);
  if (before?.instance !== record.instance) yield eventOf("joined", key, record);
  else if (stateOf(before) !== stateOf(record)) yield eventOf("changed", key, record);
}

function* ended(
  known: Map<string, MemberRecord>,
  key: string,
  event: "left" | "crashed" | "gone",
): Generator<MemberEvent> {
  const before = known.get(key);
  // The marker of a key that was deleted before is no second end.
  if (known.delete(key)) yield eventOf(event, key, before);
}

function eventOf(event: MemberEvent["event"], key: string, record?: MemberRecord): MemberEvent {
  const [stream = "", group = "", member = ""] = key.split(".");
  return {
    event,
    at: new Date().toISOString(),
    stream,
    group,
    member,
    ...(record === undefined
      ? {}
      : { language: record.language, state: record.state, degraded: record.degraded }),
  };
}

async function ttlOf(nats: Nats): Promise<number> {
  const { config } = await nats.jsm.streams.info(bucketStream(buckets.members));
  return config.max_age > 0 ? config.max_age / 1e6 : MEMBER_TTL_MS;
}

/** False where it cannot be known: then the marker is believed. */
async function isThere(nats: Nats, key: string): Promise<boolean> {
  const entry = await getEntry(nats, buckets.members, key).catch(() => undefined);
  return entry?.value !== undefined;
}

async function recordsOf(nats: Nats, { stream, group }: EventsOf): Promise<Map<string, MemberRecord>> {
  const records = new Map<string, MemberRecord>();
  for (const [groupKey, members] of await readMembers(nats, stream, group))
    for (const record of members) records.set(`${groupKey}.${record.id}`, record);
  return records;
}

/** The ordered consumer makes itself anew after a reconnect, and goes on behind what it has seen. */
async function watch(
  nats: Nats,
  { stream = "*", group = "*" }: EventsOf,
  { news, heard, signal }: { news: ReturnType<typeof newsOnly>; heard: Heard; signal: AbortSignal },
) {
  const prefix = `$KV.${buckets.members}.`;
  const consumer = await nats.js.consumers.get(bucketStream(buckets.members), {
    filter_subjects: `${prefix}${stream}.${group}.*`,
    deliver_policy: DeliverPolicy.LastPerSubject,
  });
  const messages = await consumer.consume({
    callback: (message) => {
      const key = message.subject.slice(prefix.length);
      if (message.headers?.last("Nats-Marker-Reason")) return news.tell({ key, end: "crashed" });
      if (message.headers?.last("KV-Operation")) return news.tell({ key, end: "left" });
      heard.note(key, Number(message.timestampNanos / 1_000_000n));
      const record = parse(message.data);
      if (record !== undefined) news.tell({ key, record });
    },
  });
  signal.addEventListener("abort", () => void messages.close(), { once: true });
}

/**
 * Passes on what is news: most heartbeats tell nothing new, and a listener that does not read must not have them
 * pile up. `forget`: the next one of that member is news.
 */
export function newsOnly(push: (news: News) => void): {
  tell: (seen: News) => void;
  forget: (key: string) => void;
} {
  const told = new Map<string, string>();
  const forget = (key: string) => void told.delete(key);
  const tell = (seen: News) => {
    if ("end" in seen) {
      forget(seen.key);
    } else {
      const state = stateOf(seen.record);
      if (told.get(seen.key) === state) return;
      told.set(seen.key, state);
    }
    push(seen);
  };
  return { tell, forget };
}

function stateOf({ instance, state, degraded }: MemberRecord): string {
  return `${instance} ${state} ${degraded}`;
}

/** Returns what ends it: the client's iterator would stay with the connection. */
function onReconnect(nats: Nats, run: () => void): () => void {
  const status = nats.nc.status();
  void (async () => {
    for await (const { type } of status) if (type === "reconnect" || type === "disconnect") run();
  })();
  return () => {
    // Its own word, not in its types.
    if ("stop" in status && typeof status.stop === "function") status.stop();
  };
}

function parse(value: Uint8Array): MemberRecord | undefined {
  try {
    return MemberRecord.safeParse(JSON.parse(new TextDecoder().decode(value))).data;
  } catch {
    return undefined;
  }
}
