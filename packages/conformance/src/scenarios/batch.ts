// Mode batch: how batches are formed, and that each message is settled for itself.
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import type { Group, GroupOptions } from "../lab/group.ts";
import { countHeld } from "../lab/held.ts";
import type { Member } from "../lab/member.ts";
import type { Lab } from "../lab/lab.ts";
import { handOut } from "../lab/hand-out.ts";
import { type Scenario, scenario } from "../scenario.ts";

type Formed = { size: number; wait_ms: number };

const mode = (formed: Formed): GroupOptions => ({ delivery: { mode: "batch", ...formed } });
const batchHandler = { MUSTER_CONFORMANCE_HANDLER: "batch" };

export const batch: Scenario[] = [
  scenario("batch-full", "BATCH-3 CONF-14", "a batch is handled when it is full", async (lab) => {
    const group = await lab.group({ ...mode({ size: 5, wait_ms: 5000 }), concurrency: 5 });
    const tap = await lab.tap(group);
    const seqs = await sendMany(group, 5);
    await joinBatch(lab, group);
    const began = performance.now();
    same("messages of each one's batch", await sizes(group, 5), [5, 5, 5, 5, 5]);
    const acks = seqs.flatMap((seq) => tap.of(seq).filter(({ kind }) => kind === "ack"));
    const waited = Math.max(...acks.map(({ at }) => at)) - began;
    holds("not after the longest wait only", waited < 5000, waited);
  }),

  scenario(
    "batch-wait",
    "BATCH-3",
    "a batch that does not fill is handled when its oldest has waited",
    async (lab) => {
      const group = await lab.group({ ...mode({ size: 5, wait_ms: 1500 }), concurrency: 5 });
      const tap = await lab.tap(group);
      await joinBatch(lab, group);
      const began = performance.now();
      const seqs = await sendMany(group, 3);
      same("messages of each one's batch", await sizes(group, 3), [3, 3, 3]);
      await tap.tells(seqs[0] ?? 0, "ack 1");
      const [ack] = tap.of(seqs[0] ?? 0).filter(({ kind }) => kind === "ack");
      holds("only after the wait", (ack?.at ?? 0) - began >= 1400, (ack?.at ?? 0) - began);
    },
  ),

  scenario("batch-effective", "BATCH-2", "no batch is larger than the concurrency", async (lab) => {
    const group = await lab.group({ ...mode({ size: 100, wait_ms: 5000 }), concurrency: 4 });
    await sendMany(group, 8);
    await joinBatch(lab, group);
    same("messages of each one's batch", new Set(await sizes(group, 8)), new Set([4]));
  }),

  scenario(
    "batch-loops",
    "BATCH-2 RUN-1",
    "as many batches run at once as the concurrency allows",
    async (lab) => {
      const group = await lab.group({
        ...mode({ size: 2, wait_ms: 500 }),
        concurrency: 5,
        ack_wait_ms: 30_000,
      });
      const tap = await lab.tap(group);
      const seqs = await sendMany(group, 6, "block;ms=1500");
      await joinBatch(lab, group);
      same("messages of each one's batch", new Set(await sizes(group, 6)), new Set([2]));
      await group.quiet();
      const ends = seqs
        .flatMap((seq) => tap.of(seq).filter(({ kind }) => kind === "ack"))
        .map(({ at }) => at);
      const [first = 0] = ends;
      holds("two batches run at once", ends.filter((at) => at - first < 1000).length === 4, ends);
      holds("and the third after them", ends.filter((at) => at - first > 1300).length === 2, ends);
    },
  ),

  scenario("batch-bound", "PULL-2 BATCH-1", "a member holds at most twice its concurrency", async (lab) => {
    const site = await lab.ownServer();
    const group = await lab.group({
      on: site,
      ...mode({ size: 2, wait_ms: 50 }),
      concurrency: 2,
      ack_wait_ms: 30_000,
    });
    const held = await countHeld(site.nc, group);
    await sendMany(group, 16, "block;ms=200");
    await joinBatch(lab, group);
    await group.settled("b.15", "done");
    await group.quiet();
    holds("at most twice the concurrency of 2", held.most <= 4, held.most);
    holds("a batch waits while one runs", held.most > 2, held.most);
  }),

  scenario(
    "batch-outcomes",
    "BATCH-5 BATCH-7",
    "each message of a batch has an outcome of its own",
    async (lab) => {
      const group = await lab.group({ ...mode({ size: 4, wait_ms: 5000 }), concurrency: 4 });
      const tap = await lab.tap(group);
      const directives = ["return", "permanent;text=no", "retryable;delay_ms=60000", "snooze;delay_ms=50000"];
      const seqs: number[] = [];
      for (const [n, directive] of directives.entries())
        seqs.push((await group.send({ eventId: `b.${n}`, directive })).seq);
      await joinBatch(lab, group);
      has("the row of the first", await group.settled("b.0", "done"), { result: { batch: 4 } });
      has("the row of the second", await group.settled("b.1", "dead"), { reason: "permanent" });
      await waitFor("all answers", () => seqs.every((seq) => tap.story(seq) !== ""));
      same(
        "what was said",
        seqs.map((seq) => tap.story(seq)),
        ["ack 1", "term 1", "nak 1", "nak 1"],
      );
      const delays = seqs.flatMap((seq) => tap.of(seq)).flatMap(({ delayMs }) => delayMs ?? []);
      same("the delays", new Set(delays), new Set([60_000, 50_000]));
      has("the record of the third", await group.attempts(seqs[2] ?? 0), { attempts: 1 });
      has("the record of the fourth", await group.attempts(seqs[3] ?? 0), { attempts: 0, snoozes: 1 });
    },
  ),

  scenario("batch-invalid", "BATCH-4", "what the verdict settles is no part of the batch", async (lab) => {
    const group = await lab.group({ ...mode({ size: 4, wait_ms: 1000 }), concurrency: 4 });
    await group.send({ eventId: "bad", body: "{" });
    await sendMany(group, 3);
    await joinBatch(lab, group);
    has("the bad one", await group.settled("bad", "dead"), { reason: "invalid" });
    same("messages of each other one's batch", await sizes(group, 3), [3, 3, 3]);
  }),

  scenario(
    "batch-deadline",
    "BATCH-7",
    "at the deadline every message without an outcome has failed",
    async (lab) => {
      const group = await lab.group({
        ...mode({ size: 2, wait_ms: 5000 }),
        concurrency: 2,
        timeout_ms: 500,
        retry: { backoff_ms: [60_000] },
      });
      const tap = await lab.tap(group);
      const seqs = await sendMany(group, 2, "block;ms=3000");
      await joinBatch(lab, group);
      await waitFor("both naks", () => seqs.every((seq) => tap.story(seq).startsWith("nak 1")));
      for (const seq of seqs) {
        const entry = (await group.attempts(seq))?.history.at(-1);
        has("its history", entry, { outcome: "failed", error_class: "DeadlineExceeded" });
      }
      // What it still returns counts, as in any mode.
      for (const n of [0, 1]) await group.settled(`b.${n}`, "done");
    },
  ),

  scenario("batch-suspects", "BATCH-8 ADMIT-4", "a suspect is a batch of one", async (lab) => {
    const group = await lab.group({ ...mode({ size: 3, wait_ms: 1000 }), concurrency: 3 });
    await sendMany(group, 3);
    await handOut(lab.nc, group, { times: 1, messages: 3 });
    await joinBatch(lab, group);
    same("messages of each one's batch", await sizes(group, 3), [1, 1, 1]);
  }),

  scenario(
    "batch-suspect-held",
    "BATCH-8 HOLD-4",
    "a suspect that runs is held also when the batch it came with has ended",
    async (lab) => {
      const formed = mode({ size: 2, wait_ms: 1000 });
      const group = await lab.group({ ...formed, concurrency: 4, ack_wait_ms: 2000, ledger: "none" });
      const tap = await lab.tap(group);
      const suspect = await group.send({ eventId: "suspect", directive: "block;ms=8000" });
      await handOut(lab.nc, group, { times: 1, messages: 1 });
      const beside = await group.send({ eventId: "beside", directive: "block;ms=3000" });
      const member = await joinBatch(lab, group);
      await member.handling();
      // Whoever comes now gives the suspect its turn, while the batch it came with still runs.
      await group.send({ eventId: "later" });
      await tap.tells(beside.seq, "ack 1");
      await waitFor("the suspect to be done", () => tap.story(suspect.seq).includes("ack"));
      same("who had it", tap.story(suspect.seq), "nak 1, ack 2");
      const { delivered } = await group.consumer();
      same("deliveries", delivered.consumer_seq, 4);
    },
  ),

  scenario(
    "batch-single-handler",
    "BATCH-6",
    "a handler of one message does not wait for a batch to fill",
    async (lab) => {
      const group = await lab.group({ ...mode({ size: 10, wait_ms: 5000 }), concurrency: 10 });
      const tap = await lab.tap(group);
      const member = lab.join(group);
      await member.joined();
      const began = performance.now();
      const { seq } = await group.send({ eventId: "b.0" });
      await group.settled("b.0", "done");
      await tap.tells(seq, "ack 1");
      const waited = (tap.of(seq)[0]?.at ?? 0) - began;
      holds("at once", waited < 4000, waited);
    },
  ),

  scenario(
    "batch-in-pull",
    "BATCH-6",
    "in another mode a handler of batches gets batches of one",
    async (lab) => {
      const group = await lab.group({ concurrency: 5 });
      await sendMany(group, 5);
      await joinBatch(lab, group);
      same("messages of each one's batch", await sizes(group, 5), [1, 1, 1, 1, 1]);
    },
  ),

  scenario(
    "batch-drain",
    "DRAIN-3 DRAIN-8 BATCH-1",
    "a drain finishes the batches that run and gives the rest back",
    async (lab) => {
      const group = await lab.group({
        ...mode({ size: 2, wait_ms: 100 }),
        concurrency: 4,
        ack_wait_ms: 600_000,
      });
      const tap = await lab.tap(group);
      const seqs = await sendMany(group, 12, "block;ms=2000");
      const first = await joinBatch(lab, group);
      // Two handlers of batches, or the four messages in them: both are told as in flight.
      await first.handling(2);
      first.signal("SIGTERM");
      same("its end", await first.ended(), { code: 0, signal: null });
      await lab.nc.flush();
      same("finished", seqs.filter((seq) => tap.story(seq) === "ack 1").length, 4);
      same("given back", seqs.filter((seq) => tap.story(seq) === "nak 1").length, 4);
      await joinBatch(lab, group);
      await group.quiet();
      same("messages left", await group.left(), 0);
    },
  ),

  scenario(
    "batch-postgres",
    "BATCH-9 PG-1",
    "the effects and rows of a batch are one transaction",
    async (lab) => {
      const database = await lab.database();
      const group = await lab.group({
        ...mode({ size: 4, wait_ms: 2000 }),
        concurrency: 4,
        ledger: "postgres",
        database,
      });
      const ids = [0, 1, 2, 3].map((n) => `batch-postgres.${n}`);
      for (const eventId of ids) await group.send({ eventId, directive: "sql" });
      const member = await joinBatch(lab, group);
      for (const eventId of ids) {
        has("its row", await group.settled(eventId, "done"), { result: { batch: 4 } });
        same("its effect", await database.effects(eventId), [member.id]);
      }
      const sql = "select count(distinct xmin::text) as n from muster_ledger where stream = $1";
      same("transactions", Number((await database.query(sql, [group.stream]))[0]?.["n"]), 1);
    },
  ),
];

/** A member whose handler takes batches, joined before it is returned. */
async function joinBatch(lab: Lab, group: Group): Promise<Member> {
  const member = lab.join(group, batchHandler);
  await member.joined();
  return member;
}

async function sendMany(group: Group, count: number, directive = "return"): Promise<number[]> {
  const seqs: number[] = [];
  for (let n = 0; n < count; n++) seqs.push((await group.send({ eventId: `b.${n}`, directive })).seq);
  return seqs;
}

/** With how many messages each one was handled, by the results in the rows. */
async function sizes(group: Group, count: number): Promise<unknown[]> {
  const found: unknown[] = [];
  for (let n = 0; n < count; n++) {
    const { result } = await group.settled(`b.${n}`, "done");
    found.push((result as { batch?: number }).batch);
  }
  return found;
}
