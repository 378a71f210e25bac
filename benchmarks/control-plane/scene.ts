// A large house for the control plane: groups with consumers, members that beat, dead letters on disk.
import { AckPolicy, DiscardPolicy, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { headers, type NatsConnection, nanos } from "@nats-io/transport-node";
import {
  buckets,
  contractSchemas,
  dlqFilter,
  dlqStream,
  dlqSubject,
  GroupSpec,
  groupKey,
  memberKey,
  replayFilter,
} from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { orderText } from "../core/lab.ts";

/** How large it is. */
export type Size = { streams: number; groups: number; members: number; letters: number };

const reasons = ["invalid", "permanent", "exhausted", "crash_loop"] as const;
const languages = ["ts", "go", "py"] as const;
const atOnce = 500;

/** The stream and the group of a number; the groups are spread evenly. */
export function groupAt(n: number, { streams, groups }: Size): { stream: string; group: string } {
  return { stream: `S${n % streams}`, group: `g${Math.floor(n / streams) % Math.ceil(groups / streams)}` };
}

/** Specs, streams and consumers, written as the control plane would, only quicker. The buckets are there. */
export async function provision(nc: NatsConnection, size: Size): Promise<void> {
  const manager = await jetstreamManager(nc);
  await put(nc, buckets.contracts, "order.v1", contractSchemas["order.v1"]);
  for (let n = 0; n < size.streams; n++) {
    const stream = `S${n}`;
    await manager.streams.add({
      name: stream,
      subjects: [`s${n}.>`, `muster.replay.${stream}.>`],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      allow_direct: true,
      metadata: { "muster.kind": "source" },
    });
    await manager.streams.add({
      name: dlqStream(stream),
      subjects: [dlqFilter(stream), `muster.archive.${stream}.>`],
      discard: DiscardPolicy.New,
      allow_direct: true,
      metadata: { "muster.kind": "dlq" },
    });
  }
  for (let n = 0; n < size.groups; n++) {
    const { stream, group } = groupAt(n, size);
    const subjects = [`${stream.toLowerCase()}.${group}.>`];
    const spec = GroupSpec.parse({ v: 1, stream, group, contracts: ["order.v1"], subjects, ledger: "none" });
    await put(nc, buckets.groups, groupKey(stream, group), spec);
    await manager.consumers.add(stream, {
      durable_name: group,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(spec.ack_wait_ms),
      max_ack_pending: spec.max_ack_pending,
      filter_subjects: [...subjects, replayFilter(stream, group)],
      metadata: { "muster.kind": "group", "muster.group": group },
    });
  }
}

/** A record as a member writes it at each heartbeat. */
export function beat(nc: NatsConnection, n: number, size: Size, id = `member-${n}`, instance = id): void {
  const { stream, group } = groupAt(n, size);
  const record = {
    v: 1,
    id,
    instance,
    language: languages[n % languages.length],
    core_version: "0.1.0",
    app_version: "1.0.0",
    host: `host-${n % 97}`,
    pid: 1000 + n,
    started_at: "2026-01-01T00:00:00.000Z",
    state: "running",
    degraded: false,
    delivery: "pull",
    concurrency: 10,
    in_flight: n % 10,
    held: n % 20,
    counts: { done: n, retry: 0, snoozed: 0, returned: 0, dead: 0, repeat: 0, stale: 0, lost: 0 },
    p50_ms: 1.5,
    p99_ms: 12.25,
    spec_revision: 1,
    contracts: ["order.v1"],
    restart_needed: [],
  };
  nc.publish(`$KV.${buckets.members}.${memberKey(stream, group, id)}`, JSON.stringify(record));
}

/** All members beat every five seconds, spread over them, until it is disposed of. */
export function beating(nc: NatsConnection, size: Size): Disposable {
  const slices = 50;
  let slice = 0;
  const timer = setInterval(() => {
    for (let n = slice; n < size.members; n += slices) beat(nc, n, size);
    slice = (slice + 1) % slices;
  }, 5000 / slices);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Half of the letters lie in the first stream, the others are spread. */
export async function fillWithLetters(nc: NatsConnection, size: Size): Promise<void> {
  for (let n = 0; n < size.letters; n++) {
    const { stream, group } = groupAt(n % 2 === 0 ? (n / 2) * size.streams : n, size);
    const reason = reasons[n % reasons.length] ?? "permanent";
    nc.publish(dlqSubject(stream, group, reason), orderText, {
      headers: letterHeaders(n, stream, group, reason),
    });
    if (n % atOnce === 0) await nc.flush();
  }
  const manager = await jetstreamManager(nc);
  await waitFor(
    `${size.letters} dead letters`,
    async () => {
      let count = 0;
      for (let n = 0; n < size.streams; n++)
        count += (await manager.streams.info(dlqStream(`S${n}`))).state.messages;
      return count === size.letters;
    },
    { timeoutMs: 300_000, everyMs: 500 },
  );
}

function letterHeaders(n: number, stream: string, group: string, reason: string) {
  const head = headers();
  const error = `payment of order ${n} was refused: limit of card 4${n % 9973} is reached`;
  for (const [name, value] of Object.entries({
    "Muster-Event-Id": `o-${n}.created`,
    "Muster-Contract": "order.v1",
    "Muster-Dlq-Id": `dl.${group}.${n.toString(16).padStart(24, "0")}.${n + 1}.1795796309634478448`,
    "Muster-Dlq-Stream": stream,
    "Muster-Dlq-Seq": String(n + 1),
    "Muster-Dlq-Store-Time": "1795796309634478448",
    "Muster-Dlq-Subject": `${stream.toLowerCase()}.${group}.o-${n}.created`,
    "Muster-Dlq-Group": group,
    "Muster-Dlq-Reason": reason,
    "Muster-Dlq-Error-Class": ["CardRefused", "TimeoutError", "KeyError"][n % 3] ?? "",
    "Muster-Dlq-Error": error,
    "Muster-Dlq-Attempts": "5",
    "Muster-Dlq-First-At": "2026-11-27T10:00:00.000Z",
    "Muster-Dlq-Last-At": "2026-11-27T10:03:00.000Z",
    "Muster-Dlq-Member": `member-${n % 10_000}`,
    "Muster-Dlq-Language": languages[n % languages.length] ?? "ts",
    "Muster-Dlq-Version": `1.${n % 7}.0`,
    "Muster-Dlq-Contract": "order.v1",
    "Muster-Dlq-Event-Id": `o-${n}.created`,
    "Muster-Dlq-Replay-Number": "0",
    "Muster-Dlq-Fingerprint": (n % 211).toString(16).padStart(16, "0"),
  }))
    head.set(name, value);
  return head;
}

async function put(nc: NatsConnection, bucket: string, key: string, value: unknown): Promise<void> {
  await nc.request(`$KV.${bucket}.${key}`, JSON.stringify(value), { timeout: 10_000 });
}
