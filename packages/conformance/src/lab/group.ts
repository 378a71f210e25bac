import { type ConsumerInfo, jetstreamManager, type PubAck } from "@nats-io/jetstream";
import { bucketOf } from "./bucket.ts";
import {
  AttemptsRecord,
  attemptsKey,
  buckets,
  dlqStream,
  type GroupSpec,
  type GroupSpecInput,
  LedgerRow,
  ledgerKey,
  MemberRecord,
  memberKey,
} from "@muster/contracts";
import { patienceMs, waitFor } from "./wait.ts";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Database } from "./database.ts";
import { provisionGroup, provisionStream, putSpec } from "./provision.ts";
import { type Message, publish, publishCore } from "./publish.ts";

/** A dead letter as it lies in its stream. */
export type DeadLetter = { subject: string; headers: Record<string, string>; body: Uint8Array };

/** A group of a scenario, seen through NATS alone. */
export type Group = {
  readonly nc: NatsConnection;
  readonly url: string;
  readonly stream: string;
  readonly group: string;
  readonly spec: GroupSpec;
  /** What its members' environment has beside the documented minimum. */
  readonly env: Readonly<Record<string, string>>;
  /** A subject that the group takes. */
  subject(name?: string): string;
  /** Publishes to such a subject and returns the PubAck. */
  send(message: Message, name?: string): Promise<PubAck>;
  /** Publishes to such a subject without a stream: for a queue group. */
  cast(message: Message, name?: string): void;
  /** Writes the spec with changes, and returns its revision. */
  change(changes: Partial<GroupSpec>): Promise<number>;
  row(eventId: string): Promise<LedgerRow | undefined>;
  /** All revisions of a row that the ledger keeps, oldest first. */
  rowHistory(eventId: string): Promise<LedgerRow[]>;
  attempts(seq: number): Promise<AttemptsRecord | undefined>;
  /** Writes an attempts record for a message that is in the stream. */
  writeAttempts(
    seq: number,
    record: Pick<AttemptsRecord, "attempts" | "delivery"> & Partial<AttemptsRecord>,
  ): Promise<void>;
  member(id: string): Promise<MemberRecord | undefined>;
  /** Revision of a member's record; absent when there is none. */
  memberRevision(id: string): Promise<number | undefined>;
  consumer(): Promise<ConsumerInfo>;
  deadLetters(): Promise<DeadLetter[]>;
  /** Waits for that many dead letters, and returns them. */
  died(count?: number): Promise<DeadLetter[]>;
  /** Waits until the row has this status, and returns it. */
  settled(eventId: string, status: "done" | "dead"): Promise<LedgerRow>;
  /** Waits until there is a row, whatever it says, and returns it. */
  ended(eventId: string, timeoutMs?: number): Promise<LedgerRow>;
  /** Waits until the consumer has nothing pending and nothing in flight or backing off. */
  quiet(): Promise<void>;
  /** Makes the dead-letter stream full, and returns what makes room again. */
  fillDeadLetters(): Promise<() => Promise<void>>;
  /** Messages left in the stream. */
  left(): Promise<number>;
};

export type GroupOptions = Partial<GroupSpecInput> & {
  retention?: "workqueue" | "limits";
  /** Where the ledger is, for a group with ledger `postgres`. */
  database?: Database;
};

const quick = { max_attempts: 3, backoff_ms: [100, 200], jitter: 0, max_snooze_ms: 60_000 };

/** Provisions a stream (unless it is there) and a group with a short ack wait and backoff. */
export async function openGroup(
  nc: NatsConnection,
  url: string,
  { retention, database, ...options }: GroupOptions & { stream: string; group: string },
): Promise<Group> {
  const { stream, group } = options;
  const root = `t.${stream}.${stream === "core" ? group : "s"}`;
  const manager = await jetstreamManager(nc);
  const isThere = await manager.streams.info(stream).then(
    () => true,
    () => stream === "core",
  );
  if (!isThere) await provisionStream(nc, stream, [`${root}.>`], retention);
  const spec = await provisionGroup(nc, {
    contracts: ["order.v1"],
    subjects: [`${root}.>`],
    ack_wait_ms: 5000,
    ...options,
    retry: { ...quick, ...options.retry },
    v: 1,
  });
  const consumer = (): Promise<ConsumerInfo> => manager.consumers.info(stream, group);
  const read = async (bucket: string, key: string): Promise<unknown> => {
    const entry = await (await bucketOf(nc, bucket)).get(key);
    return entry?.operation === "PUT" ? entry.json() : undefined;
  };
  const subject = (name = "created"): string => `${root}.${name}`;
  const row = async (eventId: string): Promise<LedgerRow | undefined> => {
    if (database !== undefined) return database.row({ stream, group }, eventId);
    return LedgerRow.optional().parse(await read(buckets.ledger, ledgerKey(stream, group, eventId)));
  };
  const deadLetters = (): Promise<DeadLetter[]> => readLetters(nc, stream, group);
  return {
    nc,
    url,
    stream,
    group,
    spec,
    env: database === undefined ? {} : { DATABASE_URL: database.url },
    subject,
    send: (message, name) => publish(nc, subject(name), message),
    cast: (message, name) => publishCore(nc, subject(name), message),
    change: (changes) => putSpec(nc, { ...spec, ...changes }),
    row,
    async rowHistory(eventId) {
      const rows: LedgerRow[] = [];
      if (database !== undefined) throw new Error("Postgres keeps no history of a row");
      const bucket = await bucketOf(nc, buckets.ledger);
      for await (const entry of await bucket.history({ key: ledgerKey(stream, group, eventId) })) {
        rows.push(LedgerRow.parse(entry.json()));
      }
      return rows;
    },
    attempts: async (seq) =>
      AttemptsRecord.optional().parse(await read(buckets.attempts, attemptsKey(stream, group, seq))),
    async writeAttempts(seq, written) {
      const stored = await manager.streams.getMessage(stream, { seq });
      const known = {
        v: 1,
        sequence: seq,
        store_time: storeTimeOf(stored?.timestamp ?? ""),
        event_id: stored?.header?.get("Muster-Event-Id") ?? "",
        snoozes: 0,
        open: false,
        history: [],
      };
      const record = AttemptsRecord.parse({ ...known, ...written });
      const bucket = await bucketOf(nc, buckets.attempts);
      await bucket.put(attemptsKey(stream, group, seq), JSON.stringify(record));
    },
    member: async (id) =>
      MemberRecord.optional().parse(await read(buckets.members, memberKey(stream, group, id))),
    memberRevision: async (id) => {
      const entry = await (await bucketOf(nc, buckets.members)).get(memberKey(stream, group, id));
      return entry?.operation === "PUT" ? entry.revision : undefined;
    },
    consumer,
    deadLetters,
    died: (count = 1) =>
      waitFor(`${count} dead letter(s) of ${group}`, async () => {
        const letters = await deadLetters();
        return letters.length >= count ? letters : undefined;
      }),
    settled: (eventId, status) =>
      waitFor(`${eventId} to be ${status}`, async () => {
        const found = await row(eventId);
        return found?.status === status ? found : undefined;
      }),
    ended: (eventId, timeoutMs = patienceMs) =>
      waitFor(`a row of ${eventId}`, () => row(eventId), { timeoutMs }),
    quiet: async () => {
      await waitFor(`${stream} ${group} to be quiet`, async () => {
        const info = await consumer();
        return info.num_pending === 0 && info.num_ack_pending === 0;
      });
    },
    async fillDeadLetters() {
      const { config } = await manager.streams.info(dlqStream(stream));
      await manager.streams.update(config.name, { ...config, max_msg_size: 1 });
      return async () => void (await manager.streams.update(config.name, { ...config, max_msg_size: -1 }));
    },
    left: async () => (await manager.streams.info(stream)).state.messages,
  };
}

async function readLetters(nc: NatsConnection, stream: string, group: string): Promise<DeadLetter[]> {
  const manager = await jetstreamManager(nc);
  const { state } = await manager.streams.info(dlqStream(stream));
  const letters: DeadLetter[] = [];
  let seq = state.first_seq;
  for (;;) {
    const next = { seq, next_by_subj: `muster.dlq.${stream}.${group}.>` };
    const stored = await manager.streams.getMessage(dlqStream(stream), next);
    if (!stored) return letters;
    const headers = Object.fromEntries(
      [...(stored.header ?? [])].map(([name, values]) => [name, values.at(-1) ?? ""]),
    );
    letters.push({ subject: stored.subject, headers, body: stored.data });
    seq = stored.seq + 1;
  }
}

/** The store time token of an ack reply, from the server's RFC 3339 with up to nine digits of a second. */
function storeTimeOf(timestamp: string): string {
  const [seconds = "", fraction = ""] = timestamp.replace("Z", "").split(".");
  return `${Date.parse(`${seconds}Z`) / 1000}${fraction.padEnd(9, "0")}`;
}
