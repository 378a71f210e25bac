// Three servers: an apply that raises replicas ends when all have their copies, and the doctor tells who lacks some.
import { join } from "node:path";
import { checkoutRoot, startCluster, waitFor } from "@muster/testkit";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyGroup } from "../src/groups/apply.ts";
import type { Nats } from "../src/nats/connection.ts";
import { order, specOf, startPlane } from "./system.ts";

const patience = { timeoutMs: 60_000, everyMs: 250 };
const configFile = join(checkoutRoot, "infra/nats/cluster.conf");
const entry = (group: string, replicas: number) => ({
  spec: specOf({ group, subjects: [`orders.${group}`], min_members: 0 }),
  stream: { replicas },
});
const file = (replicas: number) => ({ groups: [entry("billing", replicas), entry("shipping", replicas)] });

let cluster: Awaited<ReturnType<typeof startCluster>>;
let plane: Awaited<ReturnType<typeof startPlane>>;
let nats: Nats;
beforeAll(async () => {
  cluster = await startCluster({ configFile });
  plane = await startPlane(cluster.nodes.get("n1")?.url ?? "");
  const nc = await connect({
    servers: cluster.url.split(","),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    noAsyncTraces: true,
  });
  nats = { nc, js: jetstream(nc), jsm: await jetstreamManager(nc, { checkAPI: false }) };
  await waitFor("a cluster that takes groups", () => plane.client.groups.applyAll.mutate(file(1)), patience);
}, 90_000);
afterAll(async () => {
  await nats?.nc.close();
  await plane?.close();
  await cluster?.[Symbol.asyncDispose]();
});

/** Copies that are up to date, of each stream and the groups' consumers. */
async function copies(): Promise<Record<string, number>> {
  const found = new Map<string, object | undefined>();
  for await (const { config, cluster: placed } of nats.jsm.streams.list()) found.set(config.name, placed);
  for (const group of ["billing", "shipping"])
    found.set(group, (await nats.jsm.consumers.info("ORDERS", group)).cluster);
  return Object.fromEntries(
    [...found].map(([name, placed]) => {
      const { leader, replicas = [] } = (placed ?? {}) as {
        leader?: string;
        replicas?: { current: boolean }[];
      };
      return [name, Number(leader !== undefined) + replicas.filter(({ current }) => current).length];
    }),
  );
}

const findings = async () =>
  (await plane.client.doctor.query({})).findings.map(({ id, stream, group }) => `${id} ${group ?? stream}`);

test("a file that raises replicas is applied at once, and a leader that is killed then is not missed", async () => {
  const applied = await plane.client.groups.applyAll.mutate(file(3));
  expect(applied).toMatchObject({
    ok: true,
    shared: expect.arrayContaining([{ what: "stream ORDERS", change: "updated" }]),
  });
  expect(applied.notes).toBeUndefined();
  const now = await copies();
  expect(now).toEqual(Object.fromEntries(Object.keys(now).map((name) => [name, 3])));
  expect(await findings()).toEqual([]);

  const { leader = "" } = (await nats.jsm.streams.info("ORDERS")).cluster ?? {};
  const node = cluster.nodes.get(leader);
  await node?.kill();
  const publish = () => nats.js.publish("orders.billing", JSON.stringify(order("o1")), { timeout: 1000 });
  await waitFor("the stream to take orders without it", publish, patience);

  // It is not waited for longer than was said, and what is made is not a failure.
  const lacking = await waitFor(
    "an apply that tells what lacks copies",
    async () => {
      const { notes = [] } = await applyGroup(nats, entry("billing", 3).spec, {}, false, 0);
      return notes.some((note) => note.startsWith("stream ORDERS has 2 of 3 copies")) ? notes : undefined;
    },
    patience,
  );
  expect(lacking.join()).toContain(leader);
  const signs = ["copies ORDERS", "copies billing", "copies KV_MUSTER_LEDGER"];
  const isTold = async () => {
    const found = await findings();
    return signs.every((sign) => found.includes(sign));
  };
  await waitFor("the doctor to tell it of stream, consumer and bucket", isTold, patience);

  // A server that is away is not waited for, however long that may be.
  const away = await applyGroup(nats, entry("billing", 3).spec, {}, false, 3_600_000);
  expect(away.notes?.join()).toContain(`stream ORDERS has 2 of 3 copies up to date (${leader} is`);

  await node?.restart();
  const isWhole = async () => (await applyGroup(nats, entry("billing", 3).spec)).notes === undefined;
  await waitFor("an apply without notes", isWhole, patience);
  await waitFor("the doctor to find nothing", async () => (await findings()).length === 0, patience);
}, 240_000);
