// What all cases run on: one server, streams loaded before the clock starts, and one way to see that all is acked.
import {
  AckPolicy,
  type ConsumerInfo,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect, headers, type NatsConnection, nanos } from "@nats-io/transport-node";
import {
  buckets,
  contractSchemas,
  GroupSpec,
  type GroupSpecInput,
  groupKey,
  replayFilter,
} from "@muster/contracts";
import { startNats, waitFor } from "@muster/testkit";
import { Costs } from "./cost.ts";

/** A stream with its messages, and the group that consumes them. */
export type Loaded = { url: string; stream: string; group: string; messages: number; spec: GroupSpec };

/** The server and what is on it. */
export type Lab = {
  readonly url: string;
  readonly nc: NatsConnection;
  readonly costs: Costs;
  /** Makes a stream of its own with so many orders of 200 bytes. */
  load(messages: number, spec?: Partial<GroupSpecInput>): Promise<Loaded>;
  /** Resolves when every message is acked, as the server sees it. */
  acked(loaded: Loaded): Promise<void>;
  info(loaded: Loaded): Promise<ConsumerInfo>;
  remove(loaded: Loaded): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** An order whose JSON has about 200 bytes. */
export const orderText = JSON.stringify({
  id: "order-1234567",
  customer: "Ada Lovelace, Mathematical Works, 12 St James's Square, London",
  amount: 1299.95,
  status: "pending",
  created_at: "2026-01-01T00:00:00Z",
});

/** A lab on a server of its own, or on what is given: its address, and how many copies of everything are kept there. */
export async function openLab(at?: { url: string; replicas: number }): Promise<Lab> {
  const server = at === undefined ? await startNats() : undefined;
  const url = at?.url ?? server?.url ?? "";
  const replicas = at?.replicas ?? 1;
  const nc = await connect({ servers: url.split(","), noAsyncTraces: true });
  const manager = await jetstreamManager(nc, { checkAPI: false });
  const answers = (): Promise<boolean> =>
    manager.getAccountInfo().then(
      () => true,
      () => false,
    );
  // The servers of a cluster choose a leader first.
  await waitFor("JetStream to answer", answers, { timeoutMs: 60_000 });
  const kvm = new Kvm(nc);
  for (const bucket of Object.values(buckets))
    await kvm.create(bucket, { storage: StorageType.File, replicas });
  await (await kvm.open(buckets.contracts)).put("order.v1", JSON.stringify(contractSchemas["order.v1"]));
  let count = 0;
  const info = (loaded: Loaded): Promise<ConsumerInfo> => manager.consumers.info(loaded.stream, loaded.group);
  return {
    url,
    nc,
    costs: new Costs(() => server?.pid ?? Number.NaN),
    info,
    async load(messages, input = {}) {
      const stream = `B${++count}`;
      const subjects = [`${stream}.>`];
      await manager.streams.add({
        name: stream,
        subjects: [...subjects, `muster.replay.${stream}.>`],
        retention: RetentionPolicy.Workqueue,
        num_replicas: replicas,
      });
      const spec = GroupSpec.parse({
        v: 1,
        stream,
        group: "g",
        contracts: ["order.v1"],
        subjects,
        concurrency: 100,
        ledger: "none",
        ...input,
      });
      await manager.consumers.add(stream, {
        durable_name: "g",
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(spec.ack_wait_ms),
        max_ack_pending: spec.max_ack_pending,
        filter_subjects: [...subjects, replayFilter(stream, "g")],
      });
      await (await kvm.open(buckets.groups)).put(groupKey(stream, "g"), JSON.stringify(spec));
      const hasIds = spec.ledger !== "none";
      for (let n = 0; n < messages; n++) {
        const head = headers();
        if (hasIds) head.set("Muster-Event-Id", `${stream}.${n}`);
        nc.publish(`${stream}.created`, orderText, hasIds ? { headers: head } : {});
        if (n % 500 === 499) await nc.flush();
      }
      await waitFor(
        `${messages} messages in ${stream}`,
        async () => (await manager.streams.info(stream)).state.messages === messages,
        { timeoutMs: 120_000 },
      );
      return { url, stream, group: "g", messages, spec };
    },
    async acked(loaded) {
      await waitFor(
        `all of ${loaded.stream} to be acked`,
        async () => {
          const { num_ack_pending, num_pending } = await info(loaded);
          return num_ack_pending + num_pending === 0;
        },
        { timeoutMs: 300_000, everyMs: 1 },
      );
    },
    async remove(loaded) {
      await manager.streams.delete(loaded.stream);
    },
    async [Symbol.asyncDispose]() {
      await nc.close();
      await server?.stop();
    },
  };
}
