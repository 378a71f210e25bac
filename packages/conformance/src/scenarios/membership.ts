// A member announces itself, beats, is unique under its id, and leaves.
import { jetstreamManager } from "@nats-io/jetstream";
import { bucketOf } from "../lab/bucket.ts";
import { buckets, memberKey, memberSubject } from "@muster/contracts";
import { patienceMs, waitFor } from "../lab/wait.ts";
import { has, holds, refused, same } from "../expect.ts";
import { type Scenario, scenario } from "../scenario.ts";

export const membership: Scenario[] = [
  scenario(
    "member-joins",
    "MEMBER-1 MEMBER-3",
    "the record tells who the member is and what it uses",
    async (lab) => {
      const group = await lab.group({ concurrency: 7 });
      const member = lab.join(group);
      const record = await member.recorded("running", ({ state }) => state === "running");
      has("the record", record, {
        id: member.id,
        delivery: "pull",
        concurrency: 7,
        in_flight: 0,
        contracts: ["order.v1"],
        restart_needed: [],
      });
      const { revision } = (await (await bucketOf(lab.nc, buckets.groups)).get(`${group.stream}.g`)) ?? {};
      same("the spec revision", record.spec_revision, revision);
      holds(
        "it started just now",
        Math.abs(Date.now() - Date.parse(record.started_at)) < 60_000,
        record.started_at,
      );
    },
  ),

  scenario("member-beats", "MEMBER-2", "the record is written again with every heartbeat", async (lab) => {
    const group = await lab.group();
    const member = lab.join(group);
    await member.joined();
    await member.beats(3);
  }),

  scenario("member-work", "MEMBER-14 MEMBER-12", "the record tells what the member does", async (lab) => {
    const group = await lab.group();
    const member = lab.join(group);
    await group.send({ eventId: "done" });
    await group.send({ eventId: "dead", directive: "permanent" });
    await group.send({ eventId: "retry", directive: "retryable;delay_ms=600000" });
    await group.send({ eventId: "snoozed", directive: "snooze;delay_ms=60000" });
    const { seq } = await group.send({ eventId: "hangs", directive: "hang" });
    const record = await member.recorded(
      "all of it",
      ({ in_flight, counts }) =>
        in_flight === 1 && counts.done + counts.dead + counts.retry + counts.snoozed === 4,
    );
    has("the counts", record.counts, { done: 1, dead: 1, retry: 1, snoozed: 1 });
    has("the record", record, { held: 1, oldest: { sequence: seq } });
    holds("a median handling time", (record.p50_ms ?? -1) >= 0, record.p50_ms);
  }),

  scenario(
    "member-counts",
    "MEMBER-12",
    "each delivery counts by its own outcome, repeats and stale ones too",
    async (lab) => {
      const group = await lab.group();
      const tap = await lab.tap(group);
      const member = lab.join(group);
      await group.send({ eventId: "done" });
      await group.settled("done", "done");
      await group.send({ eventId: "done" });
      // It waits in backoff while a later copy of its event dies.
      const { seq } = await group.send({ eventId: "dead", directive: "retryable;delay_ms=1500;times=1" });
      await tap.tells(seq, "nak 1");
      await group.send({ eventId: "dead", directive: "permanent" });
      await group.settled("dead", "dead");
      await group.quiet();
      const { counts } = await member.recorded("all five deliveries", (record) => {
        const settled = Object.values(record.counts).reduce<number>((sum, count) => sum + Number(count), 0);
        return settled >= 5;
      });
      const wanted = { done: 1, retry: 1, snoozed: 0, returned: 0, dead: 1, repeat: 1, stale: 1 };
      has("the counts", counts, wanted);
    },
  ),

  scenario("member-leaves", "MEMBER-9 DRAIN-5 KV-4", "leaving deletes the record", async (lab) => {
    const group = await lab.group();
    const member = lab.join(group);
    await member.recorded("running", ({ state }) => state === "running");
    member.signal("SIGTERM");
    same("its end", await member.ended(), { code: 0, signal: null });
    const entry = await (await bucketOf(lab.nc, buckets.members)).get(
      memberKey(group.stream, group.group, member.id),
    );
    same("what is left of its record", entry?.operation, "DEL");
  }),

  scenario("member-crash", "MEMBER-9", "a crash leaves the record to its time-out", async (lab) => {
    const site = await lab.ownServer({ memberTtlMs: 2000 });
    const group = await lab.group({ on: site });
    const member = lab.join(group);
    await member.recorded("running", ({ state }) => state === "running");
    member.signal("SIGKILL");
    await member.ended();
    const members = await bucketOf(site.nc, buckets.members);
    const key = memberKey(group.stream, group.group, member.id);
    same("just after the crash", (await members.get(key))?.operation, "PUT");
    await waitFor("the record to expire", async () => (await members.get(key))?.operation !== "PUT");
  }),

  scenario(
    "member-outage",
    "MEMBER-6",
    "after an outage longer than the record's life it comes back",
    async (lab) => {
      const site = await lab.ownServer({ memberTtlMs: 2000 });
      const group = await lab.group({ on: site });
      const member = lab.join(group);
      const before = await member.recorded("running", ({ state }) => state === "running");
      await site.server.kill();
      const down = performance.now();
      await waitFor("the outage to pass the record's life", () => performance.now() - down > 3500);
      await site.restart();
      const after = await waitFor("the record again", async () => {
        const now = await member.record().catch(() => undefined);
        return now?.instance === before.instance ? now : undefined;
      });
      same("its id", after.id, member.id);
      await group.send({ eventId: "o.1" });
      await group.settled("o.1", "done");
    },
  ),

  scenario(
    "member-live-id",
    "MEMBER-4 EXIT-1",
    "an id in use is refused, and its member is not disturbed",
    async (lab) => {
      const group = await lab.group();
      const first = lab.join(group, { WORKER_ID: "same" });
      const { instance } = await first.recorded("running", ({ state }) => state === "running");
      const second = lab.join(group, { WORKER_ID: "same" });
      same("the end of the second", await second.ended(), { code: 3, signal: null });
      same("the record's instance", (await first.record())?.instance, instance);
      await group.send({ eventId: "e.1" });
      await group.settled("e.1", "done");
    },
  ),

  scenario("member-dead-id", "MEMBER-5", "the id of a dead member is taken over", async (lab) => {
    const group = await lab.group();
    const first = lab.join(group, { WORKER_ID: "same" });
    const { instance } = await first.recorded("running", ({ state }) => state === "running");
    first.signal("SIGKILL");
    await first.ended();
    const second = lab.join(group, { WORKER_ID: "same" });
    const record = await second.recorded("the second", (now) => now.instance !== instance);
    has("the record", record, { id: "same", pid: second.pid });
    await group.send({ eventId: "e.1" });
    await group.settled("e.1", "done");
  }),

  scenario(
    "member-id-taken",
    "MEMBER-7",
    "a member whose id was taken drains and ends with 3",
    async (lab) => {
      const group = await lab.group();
      const member = lab.join(group, { WORKER_ID: "same" });
      const record = await member.recorded("running", ({ state }) => state === "running");
      member.mayEnd();
      const members = await bucketOf(lab.nc, buckets.members);
      const thief = { ...record, instance: "another-process" };
      await members.put(memberKey(group.stream, group.group, "same"), JSON.stringify(thief));
      // At the next beat it sees it, and it has nothing to finish.
      same("its end", await member.ended(patienceMs), { code: 3, signal: null });
      same("the record is the other's", (await member.record())?.instance, "another-process");
    },
    { timeoutMs: 45_000 },
  ),

  scenario(
    "member-drain-command",
    "MEMBER-10",
    "the drain command is answered, and ends it in order",
    async (lab) => {
      const group = await lab.group();
      const member = lab.join(group);
      await member.recorded("running", ({ state }) => state === "running");
      member.mayEnd();
      const subject = memberSubject(group.stream, group.group, member.id, "drain");
      const answer = await lab.nc.request(subject, "", { timeout: 5000 });
      has("the answer", answer.json(), { ok: true });
      same("its end", await member.ended(), { code: 0, signal: null });
      same("its record", await member.record(), undefined);
    },
  ),

  scenario(
    "member-listens-first",
    "MEMBER-11",
    "it listens for commands before its record is there",
    async (lab) => {
      const group = await lab.group();
      const member = lab.join(group);
      member.mayEnd();
      await waitFor("its record", () => member.record(), { everyMs: 2 });
      const subject = memberSubject(group.stream, group.group, member.id, "drain");
      has("the answer", (await lab.nc.request(subject, "", { timeout: 5000 })).json(), { ok: true });
      same("its end", await member.ended(), { code: 0, signal: null });
    },
  ),

  scenario(
    "member-unknown-command",
    "MEMBER-10",
    "a command that it does not know is not answered",
    async (lab) => {
      const group = await lab.group();
      const member = lab.join(group);
      await member.joined();
      const subject = memberSubject(group.stream, group.group, member.id, "explode");
      await refused("the request", lab.nc.request(subject, "", { timeout: 1500 }), /timeout|no responders/i);
      await group.send({ eventId: "e.1" });
      await group.settled("e.1", "done");
    },
  ),

  scenario(
    "member-unwatched",
    "MEMBER-8",
    "a member that cannot write its record goes on working",
    async (lab) => {
      const site = await lab.ownServer();
      const group = await lab.group({ on: site });
      const member = lab.join(group);
      await member.joined();
      const manager = await jetstreamManager(site.nc);
      const { config } = await manager.streams.info(`KV_${buckets.members}`);
      await manager.streams.delete(config.name);
      await group.send({ eventId: "e.1", directive: "block;ms=1500" });
      await group.settled("e.1", "done");
      await manager.streams.add(config);
      await member.recorded("itself again", ({ state }) => state === "running");
    },
  ),

  scenario("member-again", "KV-3 MEMBER-3", "an id whose member has left is free at once", async (lab) => {
    const group = await lab.group();
    const first = lab.join(group, { WORKER_ID: "same" });
    await first.recorded("running", ({ state }) => state === "running");
    first.signal("SIGTERM");
    await first.ended();
    const second = lab.join(group, { WORKER_ID: "same" });
    await second.recorded("the second", ({ pid }) => pid === second.pid);
  }),
];
