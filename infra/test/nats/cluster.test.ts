// Three servers of infra/nats/cluster.conf; the stream's leader is killed under load, three times.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  checkoutRoot,
  type Cluster,
  controlPlaneCommand,
  languages,
  type Proc,
  startCluster,
  startProcess,
  waitFor,
  workerCommand,
} from "@muster/testkit";
import { type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { accountOf, readRows } from "./ledger.ts";
import { ask, patienceMs, readyControlPlane } from "./secured.ts";

const configFile = join(checkoutRoot, "infra/nats/cluster.conf");
const stream = "ORDERS";
const group = "billing";
const kills = 3;
/** Within so long after a kill an order is taken again. */
const resumeMs = 15_000;

test("a leader that is killed under load loses and repeats nothing", async () => {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startCluster({ configFile }));
  const started = stack.use(new AsyncDisposableStack());
  const url = await readyControlPlane(started.use(startControlPlane(cluster.url)));
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

  const workers = languages.map((language) => started.use(startWorker(language, cluster.url)));
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

function startControlPlane(natsUrl: string): Proc {
  const env = { NATS_URL: natsUrl, MUSTER_HOST: "127.0.0.1", MUSTER_PORT: "0", MUSTER_AUTH: "off" };
  return startProcess("control plane", controlPlaneCommand(), { ...env, DATABASE_URL: "" });
}

function startWorker(language: (typeof languages)[number], natsUrl: string): Proc {
  const { argv, env } = workerCommand(language);
  return startProcess(`worker ${language}`, argv, {
    ...env,
    NATS_URL: natsUrl,
    MUSTER_STREAM: stream,
    MUSTER_GROUP: group,
    WORKER_ID: `${language}-1`,
    DATABASE_URL: "",
    ORDER_WORK_MS: "5",
  });
}

async function apply(url: string, replicas: number): Promise<boolean> {
  await ask(url, "PUT", `/streams/${stream}/groups/${group}`, {
    spec: {
      contracts: ["order.v1"],
      subjects: ["orders.>"],
      ack_wait_ms: 10_000,
      retry: { backoff_ms: [500] },
    },
    stream: { replicas },
  });
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

/** Publishes orders one after another, each until it has its PubAck. */
function publishAll(nc: NatsConnection) {
  const js = jetstream(nc, { timeout: 1000 });
  const published = new Map<string, number>();
  let retries = 0;
  const stopping = new AbortController();
  /** The last attempt that was answered: when it began, and when it had its PubAck. */
  let last = { beganAt: 0, at: 0 };
  const send = async (n: number): Promise<void> => {
    const id = `o${n}`;
    const order = { id, customer: "ada", amount: 1, status: "pending", created_at: "2026-01-02T03:04:05Z" };
    const about = headers();
    about.set("Muster-Event-Id", `${id}.created`);
    for (let count = 1; ; count++) {
      published.set(`${id}.created`, count);
      const beganAt = performance.now();
      try {
        await js.publish("orders.created", JSON.stringify(order), { msgID: `${id}.created`, headers: about });
        last = { beganAt, at: performance.now() };
        return;
      } catch {
        // Not known whether it is stored: the same again, under the same id.
        retries += 1;
        await sleep(50);
      }
    }
  };
  const run = async (lane: number): Promise<void> => {
    for (let n = lane; !stopping.signal.aborted; n += lanes) {
      await send(n);
      await sleep(20);
    }
  };
  const lanes = 4;
  const running = Promise.all(Array.from({ length: lanes }, (_, lane) => run(lane)));
  return {
    get retries() {
      return retries;
    },
    isFlowing: () => performance.now() - last.at < 200,
    /** From now on: when an order that was sent later was taken, and what had been published before. */
    mark() {
      const at = performance.now();
      const before = new Set(published.keys());
      return {
        resumedAfterMs: () => (last.beganAt > at ? last.at - at : undefined),
        published: () => before,
      };
    },
    async stop(): Promise<ReadonlyMap<string, number>> {
      stopping.abort();
      await running;
      return published;
    },
  };
}
