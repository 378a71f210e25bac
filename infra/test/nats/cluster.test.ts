// Three servers of infra/nats/cluster.conf; the stream's leader is killed under load, three times.
import { join } from "node:path";
import { checkoutRoot, type Cluster, languages, startCluster, waitFor } from "@muster/testkit";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { applyGroup, billing, readyControlPlane, startControlPlane, startWorker } from "../live/processes.ts";
import { patienceMs } from "../live/until.ts";
import { accountOf, readRows } from "./ledger.ts";
import { publishAll } from "./load.ts";

const configFile = join(checkoutRoot, "infra/nats/cluster.conf");
const { stream, group } = billing;
const kills = 3;
/** Within so long after a kill an order is taken again. */
const resumeMs = 15_000;

test("a leader that is killed under load loses and repeats nothing", async () => {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startCluster({ configFile }));
  const started = stack.use(new AsyncDisposableStack());
  const url = await readyControlPlane(started.use(startControlPlane({ NATS_URL: cluster.url })));
  // What was made for one copy gets three, too: the audit, and what an earlier apply has made.
  for (const replicas of [1, 3])
    await waitFor("a cluster that takes a group", () => apply(url, replicas), {
      timeoutMs: patienceMs,
      everyMs: 500,
    });
  const nc = await connect({
    servers: cluster.url.split(","),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    noAsyncTraces: true,
  });
  stack.defer(() => nc.close());
  const manager = await jetstreamManager(nc, { checkAPI: false, timeout: 10_000 });
  for await (const { config } of manager.streams.list())
    expect([config.name, config.num_replicas]).toEqual([config.name, 3]);

  const env = { NATS_URL: cluster.url, ORDER_WORK_MS: "5" };
  const workers = languages.map((language) => started.use(startWorker(language, billing, env)));
  for (const worker of workers) await worker.waitForLine(/"joined"/, patienceMs);
  await waitFor("three copies of everything", () => isWhole(manager, cluster), {
    timeoutMs: patienceMs,
    everyMs: 500,
  });
  const load = publishAll(nc);
  const resumedAfterMs: number[] = [];
  for (let kill = 1; kill <= kills; kill++) {
    await waitFor("orders before the kill", () => load.isFlowing());
    const node = cluster.nodes.get(await leaderOf(manager));
    await node?.kill();
    const killed = load.mark();
    resumedAfterMs.push(
      await waitFor("an order to be taken again", () => killed.resumedAfterMs(), { timeoutMs: patienceMs }),
    );
    const before = killed.published();
    await waitFor(
      "all languages to take messages again",
      async () => {
        const rows = await readRows(nc);
        const since = [...rows].filter(([eventId]) => !before.has(eventId)).flatMap(([, all]) => all);
        return languages.every((language) => since.some((row) => row.language === language));
      },
      { timeoutMs: patienceMs, everyMs: 500 },
    );
    await node?.restart();
    await waitFor("the cluster to be whole again", () => isWhole(manager, cluster), {
      timeoutMs: patienceMs,
      everyMs: 500,
    });
  }
  const published = await load.stop();
  await waitFor(
    "the group to be done",
    async () => {
      const { num_pending, num_ack_pending } = await manager.consumers.info(stream, group);
      return num_pending === 0 && num_ack_pending === 0;
    },
    { timeoutMs: patienceMs, everyMs: 500 },
  );

  const account = await accountOf(nc, stream, published);
  process.stdout.write(
    `cluster: ${published.size} orders, ${load.retries} sent again, publishing resumed after ${resumedAfterMs.map(Math.round).join(", ")} ms, done by ${JSON.stringify(account.done_by_language)}\n`,
  );
  expect(account).toMatchObject({ lost: [], repeated: [], invented: [], done: published.size });
  for (const ms of resumedAfterMs) expect(ms).toBeLessThan(resumeMs);
  for (const worker of workers) worker.kill("SIGTERM");
  for (const worker of workers) expect(await worker.exited).toEqual({ code: 0, signal: null });
});

async function apply(url: string, replicas: number): Promise<boolean> {
  const spec = { subjects: ["orders.>"], ack_wait_ms: 10_000, retry: { backoff_ms: [500] } };
  await applyGroup(url, billing, spec, { stream: { replicas } });
  return true;
}

async function leaderOf(manager: JetStreamManager): Promise<string> {
  const { cluster } = await manager.streams.info(stream);
  if (!cluster?.leader) throw new Error(`${stream} has no leader`);
  return cluster.leader;
}

/** Whether each stream and the group's consumer have all their replicas, none of them behind. */
async function isWhole(manager: JetStreamManager, { nodes }: Cluster): Promise<boolean> {
  const all = [];
  for await (const { cluster } of manager.streams.list()) all.push(cluster);
  // Consumers get theirs when their streams have them: without the leader such a stream stands still till then.
  all.push((await manager.consumers.info(stream, group)).cluster);
  return all.every((cluster) => {
    const replicas = cluster?.replicas ?? [];
    const isChanging = cluster !== undefined && "desired" in cluster;
    return (
      !isChanging &&
      replicas.length === nodes.size - 1 &&
      replicas.every(({ current, offline }) => current && !offline)
    );
  });
}
