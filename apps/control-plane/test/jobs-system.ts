// Dead letters by the hundred, and jobs over them, for the tests of jobs.
import { dlqStream } from "@muster/contracts";
import { startNats, waitFor } from "@muster/testkit";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { applyGroup } from "../src/groups/apply.ts";
import { JobInput } from "../src/jobs/job.ts";
import { Lease } from "../src/jobs/lease.ts";
import { type JobHooks, runJob } from "../src/jobs/run.ts";
import { createJob } from "../src/jobs/steer.ts";
import { getJob } from "../src/jobs/store.ts";
import { Ledgers } from "../src/ledger/ledgers.ts";
import type { Nats } from "../src/nats/connection.ts";
import { scanStream } from "../src/nats/scan.ts";
import { isEnded } from "../src/jobs/job.ts";
import { storeLetter } from "./dead-letters.ts";
import { order, specOf, type startSystem } from "./system.ts";

type Client = Awaited<ReturnType<typeof startSystem>>["client"];

/** Where a dead letter comes from. */
export type Origin = {
  stream?: string;
  group?: string;
  seq?: number;
  body?: string;
  replays?: number;
  error?: string;
};

/** Puts a dead letter down as a member would have; gives its id. */
export async function putDead(nats: Nats, eventId: string, origin: Origin = {}): Promise<string> {
  const { replays = 0, seq = 1, body = JSON.stringify(order(eventId)), ...rest } = origin;
  const { id } = await storeLetter(nats, {
    ...rest,
    body,
    seq,
    eventId,
    reason: "exhausted",
    storeTime: "1700000000000000000",
    replayNumber: replays,
    headers: { "Muster-Event-Id": eventId },
  });
  return id;
}

/** Puts many down at once, `<prefix>0` and so on; gives their ids in order. */
export async function putManyDead(
  nats: Nats,
  n: number,
  prefix: string,
  origin: Origin = {},
): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < n; i += 100)
    ids.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(100, n - i) }, (_, j) => putDead(nats, `${prefix}${i + j}`, origin)),
      )),
    );
  return ids;
}

/** The job when it has come to where `isThere` says. */
export async function waitForJob(
  client: Client,
  id: string,
  isThere: (job: Awaited<ReturnType<Client["jobs"]["get"]["query"]>>) => boolean = isEnded,
  timeoutMs = 30_000,
) {
  return await waitFor(
    `job ${id}`,
    async () => {
      const job = await client.jobs.get.query({ id });
      return isThere(job) ? job : undefined;
    },
    { timeoutMs },
  );
}

/** The event ids of the messages of a stream, in order. */
export async function eventsIn(nats: Nats, stream = "ORDERS"): Promise<string[]> {
  const events: string[] = [];
  for await (const { headers } of scanStream(nats, stream))
    events.push(headers?.get("Muster-Event-Id") ?? "");
  return events;
}

/** How many letters lie in the dead-letter stream. */
export async function deadCount(nats: Nats, stream = "ORDERS"): Promise<number> {
  return (await nats.jsm.streams.info(dlqStream(stream))).state.messages;
}

/** A server with a group, and no control plane: jobs run when a test runs them. */
export async function startBare(spec: Parameters<typeof specOf>[0] = {}) {
  const server = await startNats();
  const nc = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const nats: Nats = { nc, js: jetstream(nc), jsm: await jetstreamManager(nc, { checkAPI: false }) };
  await applyGroup(nats, specOf(spec));
  return {
    server,
    nats,
    async [Symbol.asyncDispose]() {
      await nc.close();
      await server.stop();
    },
  };
}

/** A job that nobody runs yet. */
export async function newJob(nats: Nats, input: Partial<JobInput> = {}): Promise<string> {
  const actor = { id: "t1", name: "ada", role: "operator" } as const;
  const job = JobInput.parse({ stream: "ORDERS", ...input });
  return (await createJob(nats, new Ledgers(nats, undefined), job, actor)).id;
}

/** How long the leases of these tests last: their ends are waited for. */
export const LEASE_MS = 400;

/** Takes a job as another control plane would, when its lease is over. */
export async function takeJob(nats: Nats, id: string, holder: string, leaseMs = LEASE_MS): Promise<Lease> {
  const { signal } = new AbortController();
  return await waitFor("the lease", async () =>
    Lease.take(nats, await getJob(nats, id), { holder, leaseMs, signal }),
  );
}

/** Takes a job and runs it until it ends, stops or, by a hook, is killed. */
export async function work(nats: Nats, id: string, holder: string, hooks: JobHooks = {}): Promise<void> {
  const lease = await takeJob(nats, id, holder);
  const { signal } = new AbortController();
  const ledgers = () => new Ledgers(nats, undefined);
  await runJob({ nats, ledgers, lease, signal }, { pollMs: 50, claimLeaseMs: LEASE_MS, ...hooks });
}
