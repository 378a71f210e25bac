import { waitFor } from "@muster/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { replay } from "../src/dead-letters/replay-many.ts";
import type { JobStep } from "../src/jobs/run.ts";
import { pauseJob } from "../src/jobs/steer.ts";
import { getJob } from "../src/jobs/store.ts";
import { Lease, LeaseLost } from "../src/jobs/lease.ts";
import { Ledgers } from "../src/ledger/ledgers.ts";
import {
  deadCount,
  eventsIn,
  LEASE_MS,
  newJob,
  putManyDead,
  startBare,
  takeJob,
  work,
} from "./jobs-system.ts";

let bare: Awaited<ReturnType<typeof startBare>>;
beforeAll(async () => {
  bare = await startBare();
});
afterAll(async () => {
  await bare[Symbol.asyncDispose]();
});
beforeEach(async () => {
  for (const stream of ["ORDERS", "ORDERS_DLQ", "KV_MUSTER_JOBS", "KV_MUSTER_REPLAYS"])
    await bare.nats.jsm.streams.purge(stream).catch(() => undefined);
});

let n = 0;
const prefix = () => `run${++n}-`;
const namesOf = (begin: string, count: number) => Array.from({ length: count }, (_, i) => `${begin}${i}`);

/** Ends everything at the nth time of a step, as a SIGKILL does: nothing goes on behind it. */
function killAt(at: JobStep, nth: number) {
  let seen = 0;
  let isDead = false;
  return {
    onStep(step: JobStep) {
      if (step === at && ++seen === nth) isDead = true;
      if (isDead) throw new Error(`killed at ${at}`);
    },
  };
}

describe("a job whose control plane is killed", () => {
  test.each<[JobStep, number]>([
    ["noted", 1],
    ["checked", 5],
    ["claimed", 1],
    ["claimed", 5],
    ["published", 5],
    ["deleted", 5],
    ["released", 5],
    ["counted", 1],
    ["ended", 1],
  ])("behind %s, number %i, is ended by another: no letter forgotten, none sent twice", async (step, nth) => {
    const { nats } = bare;
    const begin = prefix();
    await putManyDead(nats, 12, begin);
    const id = await newJob(nats);
    await expect(work(nats, id, "first", killAt(step, nth))).rejects.toThrow(`killed at ${step}`);
    await work(nats, id, "second");
    expect((await eventsIn(nats)).toSorted()).toEqual(namesOf(begin, 12).toSorted());
    expect(await deadCount(nats)).toBe(0);
    const { job } = await getJob(nats, id);
    expect(job).toMatchObject({
      state: "done",
      open: [],
      counts: { selected: 12, parked: 0, skipped: {}, failed: {} },
    });
    // What the first had sent and not come to count is gone from the dead letters, and counted as that.
    expect(job.counts.replayed + job.counts.gone).toBe(12);
    expect(job).not.toHaveProperty("holder");
    expect(job).not.toHaveProperty("window");
  });

  test("again and again, ends all the same", async () => {
    const { nats } = bare;
    const begin = prefix();
    await putManyDead(nats, 30, begin);
    const id = await newJob(nats, { rate_per_second: 10 });
    const steps: JobStep[] = ["published", "noted", "claimed", "counted", "deleted"];
    for (const step of steps)
      await expect(work(nats, id, step, killAt(step, step === "counted" ? 1 : 2))).rejects.toThrow("killed");
    await work(nats, id, "last");
    expect((await eventsIn(nats)).toSorted()).toEqual(namesOf(begin, 30).toSorted());
    const { counts } = (await getJob(nats, id)).job;
    expect(counts.selected).toBe(30);
    expect(counts.replayed + counts.gone).toBe(30);
  });

  test("while its canaries are sent, does not send others before those are done", async () => {
    const { nats } = bare;
    const begin = prefix();
    await putManyDead(nats, 6, begin);
    const id = await newJob(nats, { canary: 2 });
    await expect(work(nats, id, "first", killAt("published", 2))).rejects.toThrow("killed");
    const second = work(nats, id, "second");
    await untilState(id, "waiting_for_canary");
    const sent = await eventsIn(nats);
    expect(sent.toSorted()).toEqual(namesOf(begin, 2));
    await pauseJob(nats, id);
    await second;
    expect(await deadCount(nats)).toBe(4);
  });
});

describe("a lease", () => {
  test("that is over is another's, and who stalled notices before it writes", async () => {
    const { nats } = bare;
    await putManyDead(nats, 3, prefix());
    const id = await newJob(nats);
    const first = await takeJob(nats, id, "first");
    expect(first.isOurs).toBe(true);
    const second = await takeJob(nats, id, "second");
    expect([first.isOurs, second.isOurs]).toEqual([false, true]);
    await expect(first.update((job) => ({ ...job, cursor: 99 }))).rejects.toThrow(LeaseLost);
    await expect(first.release()).rejects.toThrow(LeaseLost);
    expect((await getJob(nats, id)).job).toMatchObject({ cursor: 0, holder: "second" });
    await second.update((job) => ({ ...job, cursor: 1 }));
    expect((await getJob(nats, id)).job.cursor).toBe(1);
  });

  test("is not taken while it lasts, by none of many at once", async () => {
    const { nats } = bare;
    const id = await newJob(nats);
    const takers = ["a", "b", "c", "d"];
    const taken = await Promise.all(
      takers.map(async (holder) => {
        const options = { holder, leaseMs: 60_000, signal: new AbortController().signal };
        return await Lease.take(nats, await getJob(nats, id), options);
      }),
    );
    expect(taken.filter((lease) => lease !== undefined).length).toBe(1);
  });

  test("keeps what an operator wrote meanwhile", async () => {
    const { nats } = bare;
    const id = await newJob(nats);
    const lease = await takeJob(nats, id, "first");
    await pauseJob(nats, id);
    expect(await lease.update((job) => ({ ...job, cursor: 7 }))).toMatchObject({
      state: "paused",
      cursor: 7,
    });
  });

  test("of a job that was deleted with its bucket is lost", async () => {
    const { nats } = bare;
    const id = await newJob(nats);
    const lease = await takeJob(nats, id, "first");
    await nats.jsm.streams.purge("KV_MUSTER_JOBS");
    await expect(lease.update((job) => job)).rejects.toThrow(LeaseLost);
  });

  test("of a holder that stalls in mid-chunk: another goes on, and the first sends nothing more", async () => {
    const { nats } = bare;
    const begin = prefix();
    await putManyDead(nats, 10, begin);
    const id = await newJob(nats, { rate_per_second: 5 });
    let steps = 0;
    const first = work(nats, id, "first", {
      // The process stands still: neither letters nor leases.
      onStep(step) {
        if (step === "claimed" && ++steps === 2)
          for (const until = Date.now() + 2 * LEASE_MS; Date.now() < until; );
      },
    });
    await first;
    const { job } = await getJob(nats, id);
    if (job.state !== "done") await work(nats, id, "second");
    expect((await eventsIn(nats)).toSorted()).toEqual(namesOf(begin, 10).toSorted());
    expect((await getJob(nats, id)).job.counts).toMatchObject({ selected: 10, failed: {}, skipped: {} });
  });
});

describe("one outstanding replay per letter", () => {
  test("when jobs, single replays and a filter go for the same letters at once", async () => {
    const { nats } = bare;
    const begin = prefix();
    const ids = await putManyDead(nats, 60, begin);
    const jobs = [await newJob(nats), await newJob(nats), await newJob(nats)];
    const ledgers = () => new Ledgers(nats, undefined);
    // Every publish stored under its own sequence: without the dedupe window a second one would show.
    const { config } = await nats.jsm.streams.info("ORDERS");
    await nats.jsm.streams.update("ORDERS", { ...config, duplicate_window: 100e6 });
    const [reports] = await Promise.all([
      Promise.all([
        replay(nats, ledgers(), { stream: "ORDERS", filter: {}, limit: 1000 }),
        ...ids.slice(0, 30).map((id) => replay(nats, ledgers(), { stream: "ORDERS", id })),
      ]),
      Promise.all(jobs.map((id, i) => work(nats, id, `plane${i}`))),
    ]);
    await nats.jsm.streams.update("ORDERS", { ...config });
    expect((await eventsIn(nats)).toSorted()).toEqual(namesOf(begin, 60).toSorted());
    expect(await deadCount(nats)).toBe(0);
    const done = await Promise.all(jobs.map(async (id) => (await getJob(nats, id)).job));
    const byJobs = done.reduce((sum, { counts }) => sum + counts.replayed, 0);
    const byHand = reports.reduce((sum, { counts }) => sum + (counts["replayed"] ?? 0), 0);
    expect(byJobs + byHand).toBe(60);
    for (const { counts, state } of done) {
      expect(state).toBe("done");
      expect(counts.selected).toBe(counts.replayed + counts.gone);
    }
  });
});

async function untilState(id: string, state: string): Promise<void> {
  await waitFor(`job ${id} to be ${state}`, async () => (await getJob(bare.nats, id)).job.state === state);
}
