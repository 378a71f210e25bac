import { buckets, memberKey, memberSubject } from "@muster/contracts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { getJob, listJobs } from "../src/jobs/store.ts";
import { getEntry, putEntry } from "../src/nats/bucket.ts";
import { deadCount, eventsIn, putDead, putManyDead, waitForJob } from "./jobs-system.ts";
import { memberOf, order, refusalOf, settleDead, settleDone, specOf, startSystem, take } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

let n = 0;
const prefix = () => `j${++n}-`;
const stream = "ORDERS";
beforeEach(async () => {
  const { nats, client } = system;
  for (const name of ["ORDERS", "ORDERS_DLQ", "KV_MUSTER_LEDGER", "KV_MUSTER_REPLAYS"])
    await nats.jsm.streams.delete(name).catch(() => undefined);
  await client.groups.apply.mutate({ spec: specOf() });
});

const create = (more: object = {}) => system.client.jobs.create.mutate({ stream, ...more });

describe("a job", () => {
  test("replays what its filter names, and says what it did not send and why", async () => {
    const { nats, client } = system;
    const begin = prefix();
    await putManyDead(nats, 5, begin);
    await putDead(nats, `${begin}other`, { error: "another fault" });
    await putDead(nats, `${begin}bad`, { body: '{"id":1}' });
    const parked = await putDead(nats, `${begin}parked`, { replays: 3 });
    const job = await create({ filter: { group: "billing", error: "fraud check" } });
    expect(job).toMatchObject({ state: "running", created_by: { id: "none" }, counts: { selected: 0 } });
    const done = await waitForJob(client, job.id);
    expect(done).toMatchObject({
      state: "done",
      cursor: 8,
      open: 0,
      is_held: false,
      counts: { selected: 7, replayed: 5, parked: 1, gone: 0, skipped: { invalid: 1 }, failed: {} },
    });
    expect(done.sample).toContainEqual({
      id: parked,
      code: "parked",
      error: expect.stringContaining("3 times"),
    });
    expect(await deadCount(nats)).toBe(3);
    expect((await eventsIn(nats)).length).toBe(5);
    expect((await client.jobs.list.query()).at(0)).toMatchObject({ id: job.id, state: "done" });
    const forced = await waitForJob(
      client,
      (await create({ force: true, filter: { reason: "exhausted" } })).id,
    );
    expect(forced.counts).toMatchObject({ selected: 3, replayed: 2, skipped: { invalid: 1 } });
  });

  test("leaves alone what became dead after it was created, and counts it", async () => {
    const { nats, client } = system;
    const begin = prefix();
    await putManyDead(nats, 3, begin);
    const { id } = await create({ rate_per_second: 4 });
    await putDead(nats, `${begin}new`);
    await putDead(nats, `${begin}back`, { replays: 1, seq: 77 });
    expect(await waitForJob(client, id)).toMatchObject({ counts: { selected: 3, replayed: 3 } });
    expect(await deadCount(nats)).toBe(2);
    expect((await client.jobs.get.query({ id, count_since: true })).since).toEqual({
      came_back: 1,
      new: 1,
      more: false,
    });
  });

  test("stops when too large a share of what it sent is dead again", async () => {
    const { nats, client } = system;
    const begin = prefix();
    await putManyDead(nats, 400, begin);
    const { id } = await create({
      filter: { error: "fraud check" },
      rate_per_second: 100,
      failure_share: 0.1,
    });
    await waitForJob(client, id, ({ counts }) => counts.replayed >= 20);
    // A new one says nothing of it, and neither do a few that came back.
    for (let i = 0; i < 30; i++) await putDead(nats, `${begin}new${i}`, { seq: 1000 + i });
    await putDead(nats, `${begin}back`, { replays: 1, seq: 2000 });
    const before = await client.jobs.get.query({ id });
    await waitForJob(client, id, ({ counts }) => counts.replayed > before.counts.replayed + 20);
    expect(await client.jobs.get.query({ id })).toMatchObject({ state: "running" });
    for (let i = 0; i < 60; i++)
      await putDead(nats, `${begin}b${i}`, { replays: 1, seq: 3000 + i, error: "other" });
    const job = await waitForJob(client, id);
    expect(job).toMatchObject({ state: "failed", reason: { code: "failure_share" } });
    expect(job.counts.replayed).toBeLessThan(400);
    expect(await deadCount(nats)).toBe(400 - job.counts.replayed + 30 + 1 + 60);
  });

  test("stops at its limit, and keeps its pace", async () => {
    const { nats, client } = system;
    await putManyDead(nats, 30, prefix());
    const { id } = await create({ limit: 12, rate_per_second: 20 });
    const done = await waitForJob(client, id);
    expect(done.counts).toMatchObject({ selected: 12, replayed: 12 });
    expect(await deadCount(nats)).toBe(18);
    // The first may go at once, and a late timer is made up for by 100 ms at most.
    const tookMs = Date.parse(done.ended_at ?? "") - Date.parse(done.created_at);
    expect(tookMs).toBeGreaterThanOrEqual(11 * 50 - 100);
  });

  test("is paused, goes on, and is cancelled", async () => {
    const { nats, client } = system;
    await putManyDead(nats, 200, prefix());
    const { id } = await create({ rate_per_second: 20 });
    await waitForJob(client, id, ({ counts }) => counts.replayed > 0);
    expect(await client.jobs.pause.mutate({ id })).toMatchObject({ state: "paused" });
    const paused = await waitForJob(client, id, (job) => !job.is_held);
    expect(paused.state).toBe("paused");
    expect(await deadCount(nats)).toBe(200 - paused.counts.replayed);
    // Another job runs to its end meanwhile: what paused did nothing in that time.
    const other = await create({ filter: { error: "nothing like it" } });
    await waitForJob(client, other.id);
    expect(await deadCount(nats)).toBe(200 - paused.counts.replayed);

    expect(await client.jobs.resume.mutate({ id })).toMatchObject({ state: "running" });
    await waitForJob(client, id, ({ counts }) => counts.replayed > paused.counts.replayed);
    expect(await client.jobs.cancel.mutate({ id })).toMatchObject({ state: "cancelled" });
    const end = await waitForJob(client, id, (job) => !job.is_held);
    expect(end).toMatchObject({ state: "cancelled", ended_at: expect.any(String) });
    expect(await deadCount(nats)).toBe(200 - end.counts.replayed);
    for (const steer of [client.jobs.pause, client.jobs.resume])
      expect(await refusalOf(steer.mutate({ id }))).toMatchObject({ code: "job_ended" });
    expect(await client.jobs.cancel.mutate({ id })).toMatchObject({ state: "cancelled" });
  });

  test("has its steps in the audit, its end too", async () => {
    const { client } = system;
    const { id } = await create({ filter: { reason: "permanent" } });
    await waitForJob(client, id);
    const { rows } = await client.audit.list.query({ limit: 10 });
    const end = rows.find(({ action, request_id }) => action === "jobs.end" && request_id === id);
    expect(end).toMatchObject({ outcome: "done", after: { state: "done", counts: { selected: 0 } } });
    expect(rows.some(({ action, outcome }) => action === "jobs.create" && outcome === "done")).toBe(true);
  });
});

test("letters of a queue group go to a live member, and wait while it has no room", async () => {
  const { nats, client } = system;
  const spec = specOf({
    stream: "core",
    group: "mail",
    subjects: ["mail.>"],
    delivery: { mode: "queue" },
    ledger: "none",
  });
  await client.groups.apply.mutate({ spec });
  const member = { ...memberOf({ delivery: "queue" }), id: "m1" };
  const key = memberKey("core", "mail", "m1");
  const { revision = 0 } = (await getEntry(nats, buckets.members, key)) ?? {};
  await putEntry(nats, buckets.members, key, JSON.stringify(member), revision);
  let asked = 0;
  const subscription = nats.nc.subscribe(memberSubject("core", "mail", "m1", "replay"), {
    callback: (_, message) => {
      message.respond(++asked <= 3 ? '{"ok":false,"error":"full"}' : '{"ok":true}');
    },
  });
  await putManyDead(nats, 3, prefix(), { stream: "core", group: "mail" });
  const { id } = await create({ stream: "core", filter: { group: "mail" }, rate_per_second: 50 });
  expect(await waitForJob(client, id)).toMatchObject({
    state: "done",
    counts: { selected: 3, replayed: 3, failed: {} },
  });
  expect([asked, await deadCount(nats, "core")]).toEqual([6, 0]);
  subscription.unsubscribe();
});

test("the metrics tell jobs by state, and what they came to", async () => {
  const { nats, client, controlPlane } = system;
  await nats.jsm.streams.purge("KV_MUSTER_JOBS");
  const begin = prefix();
  await putManyDead(nats, 3, begin);
  await putDead(nats, `${begin}parked`, { replays: 3 });
  await waitForJob(client, (await create()).id);
  const { id } = await create({ filter: { reason: "permanent" } });
  await client.jobs.pause.mutate({ id }).catch(() => undefined);
  const text = await (await fetch(`${controlPlane.url}/metrics`)).text();
  expect(text).toContain('muster_jobs_letters_total{stream="ORDERS",outcome="replayed"} 3');
  expect(text).toContain('muster_jobs_letters_total{stream="ORDERS",outcome="parked"} 1');
  expect(text).toMatch(/^muster_jobs\{state="(paused|done)"\} [12]$/m);
  expect(text).toContain('muster_jobs{state="running"} 0');
});

describe("canaries", () => {
  test.each<["kv" | "none", "workqueue" | "limits"]>([
    ["kv", "workqueue"],
    ["none", "workqueue"],
    ["none", "limits"],
  ])("go first, and the others when each of them is done (ledger %s, %s)", async (ledger, retention) => {
    const { nats, client } = system;
    await remake(ledger, retention);
    await putManyDead(nats, 6, prefix());
    const { id } = await create({ canary: 2 });
    const waiting = await waitForJob(client, id, ({ state }) => state === "waiting_for_canary");
    expect(waiting).toMatchObject({
      counts: { selected: 2, replayed: 2 },
      canaries: expect.arrayContaining([1, 2].map((seq) => expect.objectContaining({ seq }))),
    });
    const [first, second] = [await take(nats), await take(nats)];
    if (ledger === "kv") await settleDone(nats, first);
    else await first.ackAck();
    await waitForJob(client, id, ({ canaries }) => canaries.some(({ outcome }) => outcome === "done"));
    expect(await deadCount(nats)).toBe(4);
    if (ledger === "kv") await settleDone(nats, second);
    else await second.ackAck();
    expect(await waitForJob(client, id)).toMatchObject({
      state: "done",
      counts: { selected: 6, replayed: 6 },
    });
  });

  test.each<["kv" | "none"]>([["kv"], ["none"]])(
    "that die again stop the job (ledger %s)",
    async (ledger) => {
      const { nats, client } = system;
      await remake(ledger, "workqueue");
      await putManyDead(nats, 6, prefix());
      const { id } = await create({ canary: 3 });
      await waitForJob(client, id, ({ state }) => state === "waiting_for_canary");
      if (ledger === "kv") await settleDone(nats, await take(nats));
      else await (await take(nats)).ackAck();
      await settleDead(nats, await take(nats));
      const failed = await waitForJob(client, id);
      expect(failed).toMatchObject({
        state: "failed",
        reason: { code: "canary_failed", message: expect.stringMatching(/^1 of 3 letters .* died again/) },
        counts: { selected: 3, replayed: 3 },
      });
      // They are sent side by side: which of them came first in the stream is not said.
      const outcomes = failed.canaries.map(({ outcome }) => outcome);
      expect(outcomes).toEqual(expect.arrayContaining(["done", "dead"]));
      expect(await deadCount(nats)).toBe(4);
    },
  );

  test("that are purged stop it too: nobody knows what became of them", async () => {
    const { nats, client } = system;
    await putManyDead(nats, 3, prefix());
    const { id } = await create({ canary: 1 });
    await waitForJob(client, id, ({ state }) => state === "waiting_for_canary");
    await nats.jsm.streams.purge(stream);
    expect(await waitForJob(client, id)).toMatchObject({
      reason: { code: "canary_failed", message: expect.stringContaining("without a trace") },
    });
  });

  test("are only those that could be sent; a paused job waits for them when it goes on", async () => {
    const { nats, client } = system;
    const begin = prefix();
    await putDead(nats, `${begin}bad`, { body: "{}" });
    await putDead(nats, `${begin}parked`, { replays: 3 });
    await putManyDead(nats, 2, begin);
    const { id } = await create({ canary: 5 });
    const waiting = await waitForJob(client, id, ({ state }) => state === "waiting_for_canary");
    expect(waiting).toMatchObject({ counts: { selected: 4, replayed: 2, parked: 1 }, canaries: [{}, {}] });
    await client.jobs.pause.mutate({ id });
    await waitForJob(client, id, (job) => !job.is_held);
    await client.jobs.resume.mutate({ id });
    await waitForJob(client, id, ({ state }) => state === "waiting_for_canary");
    for (let i = 0; i < 2; i++) await settleDone(nats, await take(nats));
    expect(await waitForJob(client, id)).toMatchObject({ state: "done" });
  });

  test("are refused where nothing tells what became of them", async () => {
    const { client } = system;
    await client.groups.apply.mutate({
      spec: specOf({
        stream: "core",
        group: "mail",
        subjects: ["mail.>"],
        delivery: { mode: "queue" },
        ledger: "none",
      }),
    });
    expect(await refusalOf(create({ stream: "core", canary: 1 }))).toMatchObject({ code: "no_canary" });
  });

  async function remake(ledger: "kv" | "none", retention: "workqueue" | "limits") {
    await system.nats.jsm.streams.delete(stream);
    await system.client.groups.apply.mutate({ spec: specOf({ ledger }), stream: { retention } });
  }
});

describe("what is not as it should be", () => {
  test.each<[string, object, string]>([
    ["a stream that is not there", { stream: "NOPE" }, "no_stream"],
    ["a group that is not there", { filter: { group: "nope" } }, "no_group"],
    ["a stream of wildcards", { stream: ">" }, "bad_name"],
    ["a group of wildcards", { filter: { group: "*" } }, "bad_name"],
    ["a filter that nobody knows", { filter: { colour: "red" } }, "bad_request"],
    ["a field that nobody knows", { owner: "me" }, "bad_request"],
    ["no pace", { rate_per_second: 0 }, "bad_request"],
    ["an endless pace", { rate_per_second: 1e300 }, "bad_request"],
    ["too many canaries", { canary: 101 }, "bad_request"],
    ["half a letter", { limit: 0.5 }, "bad_request"],
  ])("%s is refused", async (_what, input, code) => {
    expect(await refusalOf(create(input))).toMatchObject({ code });
  });

  test.each(["", "a.b", ">", "*", "../x", "$KV", "x".repeat(100), "a\r\nb", "\u202e"])(
    "a job called %j is not there",
    async (id) => {
      const { client } = system;
      for (const call of [client.jobs.get.query, client.jobs.pause.mutate, client.jobs.cancel.mutate])
        expect((await refusalOf(call({ id }))).code).toMatch(/not_found|bad_request/);
    },
  );

  test("so many jobs that nobody could follow are refused; of those that ended the newest are kept", async () => {
    const { nats, client } = system;
    await nats.jsm.streams.purge("KV_MUSTER_JOBS");
    const { id } = await create({ filter: { reason: "permanent" } });
    await waitForJob(client, id);
    const { job } = await getJob(nats, id);
    const put = (name: string, over: object) =>
      putEntry(nats, "MUSTER_JOBS", name, JSON.stringify({ ...job, ...over, id: name }), 0);
    const before = (days: number) => ({ created_at: new Date(Date.now() - days * 86_400_000).toISOString() });
    for (let i = 0; i < 501; i++) await put(`old-${i}`, before(i + 1));
    for (let i = 0; i < 99; i++) await put(`open-${i}`, { state: "paused" });
    await waitForJob(client, (await create({ filter: { reason: "permanent" } })).id);
    expect((await listJobs(nats)).filter(({ job: { state } }) => state === "done").length).toBe(501);
    await expect(getJob(nats, "old-500")).rejects.toThrow("there is no job");
    await put("open-99", { state: "paused" });
    expect(await refusalOf(create())).toMatchObject({ code: "too_many_jobs" });
    await nats.jsm.streams.purge("KV_MUSTER_JOBS");
  });

  test("letters with names of any length are replayed, and do not swell the job", async () => {
    const { nats, client } = system;
    const begin = prefix();
    const body = JSON.stringify(order("o1"));
    for (let i = 0; i < 40; i++) await putDead(nats, `${begin}${i}-${"x".repeat(20_000)}`, { body });
    await putDead(nats, `${begin}short`);
    const { id } = await create({ canary: 30 });
    const waiting = await waitForJob(client, id, ({ state }) => state === "waiting_for_canary", 60_000);
    expect(waiting).toMatchObject({ counts: { replayed: 41 }, canaries: [{ event_id: `${begin}short` }] });
  });

  test("a document that is none keeps nobody from the others", async () => {
    const { nats, client } = system;
    const values = ["{", "[]", "{}", '{"v":1}', '"\u0000"', `{"v":1,"id":"${"x".repeat(1000)}"}`];
    await create({ filter: { reason: "permanent" } });
    for (const [i, value] of values.entries()) await putEntry(nats, "MUSTER_JOBS", `bad${i}`, value, 0);
    await putManyDead(nats, 2, prefix());
    const { id } = await create();
    expect(await waitForJob(client, id)).toMatchObject({ counts: { replayed: 2 } });
    expect((await client.jobs.list.query()).map((job) => job.id)).toContain(id);
    expect(await refusalOf(client.jobs.get.query({ id: "bad0" }))).toMatchObject({ code: "not_found" });
  });

  test("a group that is deleted while its job runs keeps its letters, and the job says so", async () => {
    const { nats, client } = system;
    await putManyDead(nats, 20, prefix());
    const { id } = await create({ filter: { group: "billing" }, rate_per_second: 10 });
    await waitForJob(client, id, ({ counts }) => counts.replayed > 0);
    await client.groups.delete.mutate({ stream, group: "billing", confirm: "billing" });
    const failed = await waitForJob(client, id);
    expect(failed).toMatchObject({ state: "failed", reason: { code: "no_group" } });
    expect((await deadCount(nats)) + failed.counts.replayed).toBe(20);
  });

  test("one of several groups that is deleted fails its letters only", async () => {
    const { nats, client } = system;
    await nats.jsm.streams.delete(stream);
    for (const group of ["billing", "stock"])
      await client.groups.apply.mutate({ spec: specOf({ group }), stream: { retention: "limits" } });
    const begin = prefix();
    await putManyDead(nats, 120, begin, { group: "stock" });
    await putManyDead(nats, 3, `${begin}b`);
    await client.groups.delete.mutate({ stream, group: "stock", confirm: "stock" });
    const done = await waitForJob(client, (await create()).id);
    expect(done).toMatchObject({
      state: "done",
      counts: { selected: 123, replayed: 3, failed: { no_group: 120 } },
    });
    expect(done.sample[0]).toMatchObject({ code: "no_group", error: expect.stringContaining("stock") });
  });

  test("a dead-letter stream that is made again ends the job: its letters are others", async () => {
    const { nats, client } = system;
    const begin = prefix();
    await putManyDead(nats, 20, begin);
    const { id } = await create({ rate_per_second: 5 });
    await waitForJob(client, id, ({ counts }) => counts.replayed > 0);
    await client.jobs.pause.mutate({ id });
    await waitForJob(client, id, (job) => !job.is_held);
    await nats.jsm.streams.delete("ORDERS_DLQ");
    await client.groups.apply.mutate({ spec: specOf() });
    await putManyDead(nats, 20, `${begin}again`);
    await client.jobs.resume.mutate({ id });
    expect(await waitForJob(client, id)).toMatchObject({
      state: "failed",
      reason: { code: "stream_remade" },
    });
    expect(await deadCount(nats)).toBe(20);
    expect((await eventsIn(nats)).filter((event) => event.includes("again"))).toEqual([]);
  });

  test("a stream that takes nothing ends the job before it has tried them all in vain", async () => {
    const { nats, client } = system;
    const { config } = await nats.jsm.streams.info(stream);
    await nats.jsm.streams.update(stream, { ...config, max_msgs: 1, discard: "new" });
    await nats.js.publish("orders.created", "{}");
    await putManyDead(nats, 150, prefix());
    const { id } = await create();
    const failed = await waitForJob(client, id, undefined, 60_000);
    expect(failed).toMatchObject({
      state: "failed",
      reason: { code: "too_many_failures", message: expect.stringContaining("stream_refused") },
    });
    expect(await deadCount(nats)).toBe(150);
  });
});
