// What a server tells that is behind the others, or that has lost its end.
import { cp, rm } from "node:fs/promises";
import {
  buckets,
  deadRow,
  doneRow,
  ledgerKey,
  replayMsgId,
  replaySubject,
  sha256Hex,
} from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { expect, test } from "vitest";
import { findDeadLetter } from "../src/dead-letters/find.ts";
import { isStillThere } from "../src/dead-letters/replay.ts";
import { CanaryWatch } from "../src/jobs/canary.ts";
import type { Canary } from "../src/jobs/job.ts";
import { getJob, listJobs } from "../src/jobs/store.ts";
import { Ledgers } from "../src/ledger/ledgers.ts";
import { putEntry } from "../src/nats/bucket.ts";
import { toMsgHdrs } from "../src/nats/headers.ts";
import { newJob, putDead, startBare, work } from "./jobs-system.ts";
import { lag } from "./lagging-replica.ts";

/** A canary that was sent to a group without a ledger, and its watch. */
async function sendCanary({ nats }: Awaited<ReturnType<typeof startBare>>) {
  await nats.js.publish("orders.created", "{}");
  const id = await putDead(nats, "e1");
  const { job } = await getJob(nats, await newJob(nats, { canary: 1 }));
  const watch = new CanaryWatch(nats, () => new Ledgers(nats, undefined), { ...job, canaries_after: 1 });
  const subject = replaySubject("ORDERS", "billing", "orders.created");
  const { seq } = await nats.js.publish(subject, "{}", {
    headers: toMsgHdrs({ "Nats-Msg-Id": replayMsgId(id) }),
  });
  const canary: Canary = { id, group: "billing", event_id: "e1", replay_number: 1 };
  return { watch, seq, canary };
}

test("a canary that a replica does not have yet is not through", async () => {
  await using bare = await startBare({ ledger: "none" });
  const { watch, seq, canary } = await sendCanary(bare);
  using replica = await lag(bare.nats, "ORDERS");
  // With the sequence it was sent to, and without, as a control plane that was killed leaves it.
  expect(await watch.look([{ ...canary, seq }, canary])).toEqual([{ ...canary, seq }, canary]);
  expect(replica.gets).toBeGreaterThan(0);
  await bare.nats.jsm.streams.deleteMessage("ORDERS", seq);
  expect(await watch.look([{ ...canary, seq }])).toEqual([{ ...canary, seq, outcome: "done" }]);
});

test("a canary's dead letter that a replica does not have yet counts", async () => {
  await using bare = await startBare({ ledger: "none" });
  const { nats } = bare;
  const { watch, seq, canary } = await sendCanary(bare);
  await putDead(nats, "e1", { seq, replays: 1 });
  await nats.jsm.streams.deleteMessage("ORDERS", seq);
  using replica = await lag(nats, "ORDERS_DLQ");
  expect(await watch.look([{ ...canary, seq }])).toEqual([{ ...canary, seq, outcome: "dead" }]);
  expect(replica.gets).toBeGreaterThan(0);
});

test.each([
  ["does not have yet", false],
  ["has as it was before", true],
])("a canary is done by its ledger row, which a replica %s", async (_, hasOld) => {
  await using bare = await startBare();
  const { nats } = bare;
  const { watch, seq, canary } = await sendCanary(bare);
  const key = ledgerKey("ORDERS", "billing", "e1");
  const facts = { eventId: "e1", sequence: 1, storeTime: "1", bodySha256: sha256Hex("{}"), member: "m1" };
  const told = { ...facts, language: "ts", at: new Date().toISOString() } as const;
  const dead = deadRow(told, { reason: "exhausted", headers: {} }, undefined);
  const before = await putEntry(nats, buckets.ledger, key, JSON.stringify(dead), 0);
  if (before === "conflict") throw new Error("there is a row already");
  using replica = await lag(nats, `KV_${buckets.ledger}`);
  if (hasOld) {
    Object.assign(replica, { upTo: before, keeps: true });
    expect(await watch.look([{ ...canary, seq }])).toEqual([{ ...canary, seq }]);
  }
  const done = doneRow({ ...told, sequence: seq, storeTime: "2" }, {}, dead);
  await putEntry(nats, buckets.ledger, key, JSON.stringify(done), before);
  await nats.jsm.streams.deleteMessage("ORDERS", seq);
  expect(await watch.look([{ ...canary, seq }])).toEqual([{ ...canary, seq, outcome: "done" }]);
  // The same, where the leader has no such row.
  await nats.jsm.streams.purge(`KV_${buckets.ledger}`);
  expect(await watch.look([{ ...canary, seq }])).toEqual([{ ...canary, seq, outcome: "lost" }]);
});

test("a job goes on where a replica does not have its group, its contract or the job itself yet", async () => {
  await using bare = await startBare();
  const { nats } = bare;
  await putDead(nats, "e1");
  const id = await newJob(nats, { filter: { group: "billing" } });
  using groups = await lag(nats, `KV_${buckets.groups}`);
  using contracts = await lag(nats, `KV_${buckets.contracts}`);
  using _ = await lag(nats, `KV_${buckets.jobs}`);
  await work(nats, id, "first");
  expect((await getJob(nats, id)).job).toMatchObject({ state: "done", counts: { replayed: 1, skipped: {} } });
  expect([groups.gets, contracts.gets].every((gets) => gets > 0)).toBe(true);
});

test("a dead letter that was deleted is gone, whatever a replica still has", async () => {
  await using bare = await startBare();
  const { nats } = bare;
  const id = await putDead(nats, "e1");
  using replica = await lag(nats, "ORDERS_DLQ");
  Object.assign(replica, { upTo: 1, keeps: true });
  const letter = await findDeadLetter(nats, "ORDERS", id);
  if (letter === undefined) throw new Error("it is not found");
  expect(await isStillThere(nats, letter)).toBe(true);
  await nats.jsm.streams.deleteMessage("ORDERS_DLQ", 1);
  expect(await isStillThere(nats, letter)).toBe(false);
});

test("jobs that a server has lost with the end of its bucket are seen no more, and new ones are", async () => {
  await using bare = await startBare();
  const { nats, server } = bare;
  const isConnected = async () => {
    await nats.nc.request("$JS.API.INFO", "", { timeout: 300 });
    return true;
  };
  const look = async () => (await listJobs(nats)).map(({ job }) => job.id).toSorted();
  const first = await newJob(nats);
  await server.kill();
  const saved = `${server.storeDir}-saved`;
  await cp(server.storeDir, saved, { recursive: true });
  await server.restart();
  await waitFor("the connection", isConnected);
  const lost = [await newJob(nats), await newJob(nats)];
  expect(await look()).toEqual([first, ...lost].toSorted());
  await server.kill();
  await rm(server.storeDir, { recursive: true });
  await cp(saved, server.storeDir, { recursive: true });
  await rm(saved, { recursive: true });
  await server.restart();
  await waitFor("the connection", isConnected);
  expect(await look()).toEqual([first]);
  const next = await newJob(nats);
  expect(await look()).toEqual([first, next].toSorted());
}, 60_000);
