import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
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
import { waitFor } from "@muster/testkit";
import type { NatsConnection } from "@nats-io/transport-node";
import { provisionGroup, provisionStream } from "./provision.ts";

/** A dead letter as it lies in its stream. */
export type DeadLetter = { subject: string; headers: Record<string, string>; body: Uint8Array };

/** A group of a scenario, seen through NATS alone. */
export type Group = {
  readonly url: string;
  readonly stream: string;
  readonly group: string;
  readonly spec: GroupSpec;
  /** A subject that the group takes. */
  subject(name?: string): string;
  row(eventId: string): Promise<LedgerRow | undefined>;
  /** All revisions of a row that the ledger keeps, oldest first. */
  rowHistory(eventId: string): Promise<LedgerRow[]>;
  attempts(seq: number): Promise<AttemptsRecord | undefined>;
  member(id: string): Promise<MemberRecord | undefined>;
  deadLetters(): Promise<DeadLetter[]>;
  /** Waits until the row has this status, and returns it. */
  settled(eventId: string, status: "done" | "dead", timeoutMs?: number): Promise<LedgerRow>;
  /** Waits until the consumer has nothing pending and nothing in flight or backing off. */
  quiet(timeoutMs?: number): Promise<void>;
  /** Messages left in the stream. */
  left(): Promise<number>;
};

export type GroupOptions = Partial<GroupSpecInput> & { stream: string; retention?: "workqueue" | "limits" };

const quick = { max_attempts: 3, backoff_ms: [100, 200], jitter: 0, max_snooze_ms: 60_000 };

/** Provisions a stream (unless it is there) and a group with a short ack wait and backoff. */
export async function openGroup(nc: NatsConnection, url: string, options: GroupOptions): Promise<Group> {
  const { stream, retention, ...rest } = options;
  const manager = await jetstreamManager(nc);
  const group = rest.group ?? "g";
  const root = `t.${stream}`;
  const streamExists = await manager.streams.info(stream).then(
    () => true,
    () => false,
  );
  if (!streamExists) await provisionStream(nc, stream, [`${root}.>`], retention);
  const spec = await provisionGroup(nc, {
    contracts: ["order.v1"],
    subjects: [`${root}.>`],
    ack_wait_ms: 1500,
    retry: quick,
    ...rest,
    v: 1,
    stream,
    group,
  });
  const open = async (bucket: string, key: string): Promise<unknown> => {
    const entry = await (await new Kvm(nc).open(bucket)).get(key);
    return entry?.operation === "PUT" ? entry.json() : undefined;
  };
  const row = async (eventId: string): Promise<LedgerRow | undefined> =>
    LedgerRow.optional().parse(await open(buckets.ledger, ledgerKey(stream, group, eventId)));
  return {
    url,
    stream,
    group,
    spec,
    subject: (name = "created") => `${root}.${name}`,
    row,
    async rowHistory(eventId) {
      const rows: LedgerRow[] = [];
      const bucket = await new Kvm(nc).open(buckets.ledger);
      for await (const entry of await bucket.history({ key: ledgerKey(stream, group, eventId) })) {
        rows.push(LedgerRow.parse(entry.json()));
      }
      return rows;
    },
    attempts: async (seq) =>
      AttemptsRecord.optional().parse(await open(buckets.attempts, attemptsKey(stream, group, seq))),
    member: async (id) =>
      MemberRecord.optional().parse(await open(buckets.members, memberKey(stream, group, id))),
    async deadLetters() {
      const { state } = await manager.streams.info(dlqStream(stream));
      const letters: DeadLetter[] = [];
      for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
        const stored = await manager.streams.getMessage(dlqStream(stream), { seq }).catch(() => null);
        if (!stored?.subject.startsWith(`muster.dlq.${stream}.${group}.`)) continue;
        const head = Object.fromEntries(
          [...(stored.header ?? [])].map(([name, values]) => [name, values.at(-1) ?? ""]),
        );
        letters.push({ subject: stored.subject, headers: head, body: stored.data });
      }
      return letters;
    },
    settled: (eventId, status, timeoutMs = 30_000) =>
      waitFor(
        `${eventId} to be ${status}`,
        async () => {
          const found = await row(eventId);
          return found?.status === status ? found : undefined;
        },
        { timeoutMs },
      ),
    quiet: (timeoutMs = 30_000) =>
      waitFor(
        `${stream} ${group} to be quiet`,
        async () => {
          const info = await manager.consumers.info(stream, group);
          return info.num_pending === 0 && info.num_ack_pending === 0;
        },
        { timeoutMs },
      ).then(() => undefined),
    left: async () => (await manager.streams.info(stream)).state.messages,
  };
}
