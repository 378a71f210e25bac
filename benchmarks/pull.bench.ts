// The TypeScript worker with ledger kv and a no-op handler, against the raw client's iterator with plain acks,
// which is what most people write. Interleaved rounds on one server; ratios only, absolute rates are the machine's.
import { randomUUID } from "node:crypto";
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect, headers, type NatsConnection, nanos } from "@nats-io/transport-node";
import { buckets, contractSchemas, GroupSpec, groupKey, OrderV1, replayFilter } from "@muster/contracts";
import { startNats, waitFor } from "@muster/testkit";
import { createLog, readConfig, Worker } from "@muster/worker-core";
import { report, summarize } from "./ratios.ts";

const messages = 5000;
const rounds = 5;

await using server = await startNats();
const nc = await connect({ servers: server.url });
const manager = await jetstreamManager(nc);
const kvm = new Kvm(nc);
for (const bucket of [buckets.groups, buckets.members, buckets.attempts, buckets.ledger, buckets.contracts]) {
  await kvm.create(bucket);
}
await (await kvm.open(buckets.contracts)).put("order.v1", JSON.stringify(contractSchemas["order.v1"]));

const ratios: number[] = [];
for (let round = 0; round < rounds; round++) {
  const raw = await time(`raw${round}`, runRaw);
  const ours = await time(`ours${round}`, runOurs);
  ratios.push(raw / ours);
}
report([summarize("pull, ledger kv, no-op", ratios)], process.argv.includes("--json"));
await nc.close();

/** Loads a fresh stream and returns how many milliseconds `consume` takes to empty it. */
async function time(
  stream: string,
  consume: (nc: NatsConnection, spec: GroupSpec) => Promise<void>,
): Promise<number> {
  await manager.streams.add({
    name: stream,
    subjects: [`${stream}.>`, `muster.replay.${stream}.>`],
    retention: RetentionPolicy.Workqueue,
  });
  const subjects = [`${stream}.>`];
  const spec = GroupSpec.parse({
    v: 1,
    stream,
    group: "g",
    contracts: ["order.v1"],
    subjects,
    concurrency: 100,
  });
  await manager.consumers.add(stream, {
    durable_name: "g",
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(spec.ack_wait_ms),
    max_ack_pending: spec.max_ack_pending,
    filter_subjects: [...subjects, replayFilter(stream, "g")],
  });
  await (await kvm.open(buckets.groups)).put(groupKey(stream, "g"), JSON.stringify(spec));
  const js = jetstream(nc);
  const order = {
    id: "o",
    customer: "ada",
    amount: 10,
    status: "pending",
    created_at: "2026-01-01T00:00:00Z",
  };
  for (let n = 0; n < messages; n += 250) {
    const batch = Array.from({ length: 250 }, (_, index) => {
      const head = headers();
      head.set("Muster-Event-Id", `${stream}.${n + index}`);
      return js.publish(`${stream}.created`, JSON.stringify(order), { headers: head });
    });
    await Promise.all(batch);
  }
  const client = await connect({ servers: server.url });
  const began = performance.now();
  await consume(client, spec);
  const took = performance.now() - began;
  await client.close();
  await manager.streams.delete(stream);
  return took;
}

async function runRaw(client: NatsConnection, spec: GroupSpec): Promise<void> {
  const consumer = await jetstream(client).consumers.get(spec.stream, spec.group);
  let count = 0;
  for await (const message of await consumer.consume({ max_messages: 1000 })) {
    message.ack();
    count += 1;
    if (count === messages) break;
  }
  await client.flush();
}

async function runOurs(_: NatsConnection, spec: GroupSpec): Promise<void> {
  const id = `bench-${randomUUID().slice(0, 8)}`;
  const env = {
    NATS_URL: server.url,
    MUSTER_STREAM: spec.stream,
    MUSTER_GROUP: spec.group,
    WORKER_ID: id,
    LOG_LEVEL: "error",
  };
  const config = readConfig(env);
  await using worker = new Worker({
    contract: OrderV1,
    handler: async () => null,
    config,
    log: createLog(config),
  });
  await worker.start();
  await waitFor(
    "an empty stream",
    async () => (await manager.streams.info(spec.stream)).state.messages === 0,
    { timeoutMs: 120_000, everyMs: 5 },
  );
}
