// A small fleet of real processes that has work of every kind, for what looks at its figures.
import { setTimeout as sleep } from "node:timers/promises";
import { dlqStream } from "@muster/contracts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { languages, type Proc, startNats } from "@muster/testkit";
import { applyGroup, ask, billing, startControlPlane, startWorker, urlOf } from "./processes.ts";
import { patienceMs } from "./until.ts";

/** The group that all members are in. */
export const { stream, group } = billing;

/** What runs, and where its figures are. Disposing of it ends all of it. */
export type Fleet = {
  /** Two control planes, which export the same. They want the token. */
  controlPlanes: string[];
  /** One worker of each language. */
  workers: string[];
  /** Of role viewer. */
  token: string;
  /** The text of /metrics of every process. */
  scrape(): Promise<string[]>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Starts NATS, two control planes with tokens and a worker of each language, and publishes until it is disposed of. */
export async function startFleet(): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const nats = stack.use(await startNats());
  const plane = { NATS_URL: nats.url, MUSTER_AUTH: "tokens", LOG_LEVEL: "warn" };
  const first = stack.use(startControlPlane(plane));
  const admin = /: (\S+)$/.exec(await first.waitForLine(/first admin token/, patienceMs))?.[1] ?? "";
  const second = stack.use(startControlPlane(plane));
  const urls = await Promise.all([first, second].map(urlOf));
  const [url = ""] = urls;
  const spec = {
    subjects: ["orders.>"],
    min_members: languages.length,
    retry: { max_attempts: 20, backoff_ms: [1000] },
  };
  await applyGroup(url, billing, spec, { token: admin });
  const { token } = await ask<{ token: string }>(url, "POST", "/tokens", {
    body: { name: "prometheus", role: "viewer" },
    token: admin,
  });

  const nc = await connect({ servers: nats.url });
  stack.defer(() => nc.close());
  const jsm = await jetstreamManager(nc);
  // A limit, so that there is something that fills.
  await jsm.streams.update(dlqStream(stream), { max_bytes: 100 * 1024 * 1024 });
  const member = {
    NATS_URL: nats.url,
    MUSTER_HEARTBEAT_MS: "250",
    MUSTER_HTTP_PORT: "0",
    MUSTER_HTTP_HOST: "127.0.0.1",
    ORDER_WORK_MS: "20",
    LOG_LEVEL: "info",
  };
  const workers = languages.map((language) => stack.use(startWorker(language, billing, member)));
  const ports = await Promise.all(workers.map(portOf));
  const stop = new AbortController();
  const publishing = publish(nc, stop.signal);
  stack.defer(async () => {
    stop.abort();
    await publishing;
  });

  const workerUrls = ports.map((port) => `http://127.0.0.1:${port}`);
  const scrape = async () => {
    const headers = { authorization: `Bearer ${token}` };
    const answers = await Promise.all(
      [...urls, ...workerUrls].map((one) => fetch(`${one}/metrics`, { headers })),
    );
    return await Promise.all(answers.map((answer) => answer.text()));
  };
  const kept = stack.move();
  return {
    controlPlanes: urls,
    workers: workerUrls,
    token,
    scrape,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function portOf(worker: Proc): Promise<number> {
  const line = await worker.waitForLine(/"listening"/, patienceMs);
  return (JSON.parse(line) as { http_port: number }).http_port;
}

/** Orders that are done, that are refused for good, and that fail again and again, because nobody checks for fraud here. */
async function publish(nc: NatsConnection, signal: AbortSignal): Promise<void> {
  const js = jetstream(nc);
  for (let n = 0; !signal.aborted; n++) {
    const amount = n % 20 === 0 ? -1 : n % 10 === 5 ? 20_000 : 10;
    const order = {
      id: `o${n}`,
      customer: "ada",
      amount,
      status: "pending",
      created_at: "2026-01-02T03:04:05Z",
    };
    await js.publish("orders.created", JSON.stringify(order));
    await sleep(20, undefined, { signal }).catch(() => undefined);
  }
}
