// The spec: asked for at start and with every heartbeat, and what of it applies live.
import { jetstreamManager } from "@nats-io/jetstream";
import { bucketOf } from "../lab/bucket.ts";
import { buckets, groupKey } from "@muster/contracts";
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import { putDocument } from "../lab/provision.ts";
import { type Scenario, scenario } from "../scenario.ts";

const fromTheFuture: object = { from_the_future: { deep: [1] } };

export const spec: Scenario[] = [
  scenario(
    "spec-missing",
    "SPEC-5",
    "a group that does not exist is waited for, and served when it is there",
    async (lab) => {
      const group = await lab.group();
      const specs = await bucketOf(lab.nc, buckets.groups);
      await specs.purge(groupKey(group.stream, group.group));
      await group.send({ eventId: "l.1" });
      const member = lab.join(group);
      await member.said(/"spec missing"/);
      same("a row before", await group.row("l.1"), undefined);
      await group.change({});
      await group.settled("l.1", "done");
    },
  ),

  scenario(
    "spec-gone",
    "SPEC-4 SPEC-6 MEMBER-13",
    "a spec that is gone: nothing is taken until it is back",
    async (lab) => {
      const group = await lab.group();
      const member = lab.join(group);
      await member.recorded("running", ({ state }) => state === "running");
      const specs = await bucketOf(lab.nc, buckets.groups);
      await specs.delete(groupKey(group.stream, group.group));
      await member.said(/"spec missing"/);
      await waitFor("the last pull to run out", async () => (await group.consumer()).num_waiting === 0);
      await group.send({ eventId: "g.1" });
      // Two further beats, after each of which it could have pulled.
      await member.beats(2);
      same("messages that wait", (await group.consumer()).num_pending, 1);
      const record = await member.record();
      holds("not running", record?.state !== "running", record?.state);
      same("the spec revision", record?.spec_revision, 0);
      const revision = await group.change({});
      await group.settled("g.1", "done");
      await member.recorded("the revision that is back", ({ spec_revision }) => spec_revision === revision);
    },
  ),

  scenario("spec-invalid", "SPEC-7", "a spec that does not pass its schema changes nothing", async (lab) => {
    const group = await lab.group({ concurrency: 2 });
    const member = lab.join(group);
    await member.recorded("running", ({ state }) => state === "running");
    await putDocument(lab.nc, group, { ...group.spec, concurrency: 0 });
    await member.said((line) => line.includes('"error"') && line.includes("spec"));
    await group.send({ eventId: "l.1" });
    await group.settled("l.1", "done");
    same("the concurrency", (await member.record())?.concurrency, 2);
  }),

  scenario("spec-version", "VERSION-3", "a spec of another version: the last good one stays", async (lab) => {
    const group = await lab.group({ concurrency: 2 });
    const member = lab.join(group);
    await member.recorded("running", ({ state }) => state === "running");
    await putDocument(lab.nc, group, { ...group.spec, v: 2, concurrency: 9 });
    await member.said((line) => line.includes('"error"') && line.includes("spec"));
    await member.beats(2);
    same("the concurrency", (await member.record())?.concurrency, 2);
    await group.send({ eventId: "v.1" });
    await group.settled("v.1", "done");
  }),

  scenario(
    "spec-unknown-fields",
    "VERSION-2",
    "fields that it does not know are no reason to refuse a spec",
    async (lab) => {
      const group = await lab.group(fromTheFuture);
      lab.join(group);
      await group.send({ eventId: "u.1" });
      await group.settled("u.1", "done");
    },
  ),

  scenario(
    "spec-unknown-mode",
    "VERSION-4",
    "a mode that it does not know: starting, and nothing is taken",
    async (lab) => {
      lab.expectUnsupported();
      const group = await lab.group();
      await putDocument(lab.nc, group, { ...group.spec, delivery: { mode: "telepathy" } });
      const member = lab.join(group);
      await member.said((line) => line.includes('"error"') && line.includes("spec"));
      await group.send({ eventId: "m.1" });
      await member.recorded("starting", ({ state }) => state === "starting");
      await member.beats(2);
      same("messages that wait", (await group.consumer()).num_pending, 1);
      await group.change({});
      await group.settled("m.1", "done");
    },
  ),

  scenario("spec-concurrency", "SPEC-2 RUN-1", "the concurrency applies live", async (lab) => {
    const group = await lab.group({ concurrency: 1, ack_wait_ms: 30_000 });
    const member = lab.join(group);
    for (let n = 0; n < 4; n++) await group.send({ eventId: `c.${n}`, directive: "hang" });
    await member.handling(1);
    const revision = await group.change({ concurrency: 4 });
    const record = await member.recorded("four handlers", ({ in_flight }) => in_flight === 4);
    has("the record", record, { concurrency: 4, spec_revision: revision, restart_needed: [] });
  }),

  scenario("spec-retry", "SPEC-2 SETTLE-18", "the retry rules apply live", async (lab) => {
    const group = await lab.group({ retry: { max_attempts: 2, backoff_ms: [60_000] } });
    const tap = await lab.tap(group);
    const member = lab.join(group);
    await member.recorded("running", ({ state }) => state === "running");
    const revision = await group.change({ retry: { ...group.spec.retry, max_attempts: 1 } });
    await member.recorded("the new spec", ({ spec_revision }) => spec_revision === revision);
    const { seq } = await group.send({ eventId: "r.1", directive: "retryable" });
    has("the row", await group.settled("r.1", "dead"), { reason: "exhausted" });
    await tap.tells(seq, "term 1");
  }),

  scenario("spec-timeout", "SPEC-2 RUN-3", "the deadline applies live", async (lab) => {
    const group = await lab.group({ retry: { max_attempts: 1 } });
    const member = lab.join(group);
    await member.recorded("running", ({ state }) => state === "running");
    const revision = await group.change({ timeout_ms: 200 });
    await member.recorded("the new spec", ({ spec_revision }) => spec_revision === revision);
    await group.send({ eventId: "t.1", directive: "hang" });
    await group.settled("t.1", "dead");
    const [letter] = await group.died();
    has("the dead letter", letter?.headers, { "Muster-Dlq-Error": "handler exceeded 200 ms" });
  }),

  scenario("spec-pause", "SPEC-9 PULL-6", "a pause takes hold live, and is lifted live", async (lab) => {
    const group = await lab.group();
    const member = lab.join(group);
    await group.send({ eventId: "p.0" });
    await group.settled("p.0", "done");
    await group.change({ paused: true });
    await member.recorded("the pause", ({ state }) => state === "paused");
    await waitFor("the last pull to run out", async () => (await group.consumer()).num_waiting === 0);
    await group.send({ eventId: "p.1" });
    await member.beats(2);
    same("messages that wait", (await group.consumer()).num_pending, 1);
    await group.change({});
    await group.settled("p.1", "done");
  }),

  scenario("spec-pause-finishes", "SPEC-9", "what is in hand when a pause comes runs on", async (lab) => {
    const group = await lab.group({ concurrency: 1 });
    const tap = await lab.tap(group);
    const member = lab.join(group);
    const { seq } = await group.send({ eventId: "p.1", directive: "block;ms=3000" });
    await member.handling();
    await group.change({ paused: true });
    await member.recorded("the pause", ({ state }) => state === "paused");
    await group.settled("p.1", "done");
    await tap.tells(seq, "ack 1");
  }),

  scenario("spec-restart", "SPEC-3", "a changed ledger or mode is told as needing a restart", async (lab) => {
    lab.expectUnsupported();
    const group = await lab.group();
    const member = lab.join(group);
    await member.recorded("running", ({ state }) => state === "running");
    await group.change({ ledger: "none" });
    await member.recorded("the ledger", ({ restart_needed }) => restart_needed.includes("ledger"));
    await group.change({ delivery: { mode: "batch", size: 10, wait_ms: 100 } });
    const record = await member.recorded("the mode", ({ restart_needed }) =>
      restart_needed.includes("delivery"),
    );
    same("what needs a restart", record.restart_needed, ["delivery"]);
    await group.send({ eventId: "r.1" });
    await group.settled("r.1", "done");
  }),

  scenario("spec-restart-back", "SPEC-3", "what is changed back needs no restart any more", async (lab) => {
    lab.expectUnsupported();
    const group = await lab.group();
    const member = lab.join(group);
    await member.recorded("running", ({ state }) => state === "running");
    await group.change({ ledger: "none" });
    await member.recorded("the ledger", ({ restart_needed }) => restart_needed.includes("ledger"));
    await group.change({});
    await member.recorded("nothing", ({ restart_needed }) => restart_needed.length === 0);
  }),

  scenario("spec-ack-wait", "HOLD-10 SPEC-2", "a shorter ack_wait is kept to at once", async (lab) => {
    const group = await lab.group({ ack_wait_ms: 60_000 });
    const tap = await lab.tap(group);
    const member = lab.join(group);
    const { seq } = await group.send({ eventId: "a.1", directive: "block;ms=12000" });
    await member.handling();
    const manager = await jetstreamManager(lab.nc);
    const { config } = await group.consumer();
    await group.change({ ack_wait_ms: 3000 });
    await waitFor(
      "extensions by the new one",
      () => tap.of(seq).filter(({ kind }) => kind === "progress").length >= 3,
    );
    await manager.consumers.update(group.stream, group.group, { ...config, ack_wait: 3_000_000_000 });
    await group.settled("a.1", "done");
    await group.quiet();
    await tap.tells(seq, "ack 1");
  }),

  scenario("spec-contracts", "SPEC-2 PARSE-1", "the contracts that are accepted apply live", async (lab) => {
    const group = await lab.group({ contracts: ["other.v2"] });
    const member = lab.join(group);
    await member.joined();
    await group.change({ contracts: ["other.v2", "order.v1"] });
    await member.recorded("the contract", ({ contracts }) => contracts.includes("order.v1"));
    await group.send({ eventId: "c.1", headers: { "Muster-Contract": "order.v1" } });
    await group.settled("c.1", "done");
  }),

  ...(
    [
      ["stream", { stream: "elsewhere" }],
      ["overlap", { subjects: ["t.>", "t.a"] }],
      ["own", { subjects: ["muster.dlq.>"] }],
      ["batch", { delivery: { mode: "batch", size: 10, wait_ms: 100 }, max_ack_pending: 5 }],
      ["queue", { delivery: { mode: "queue" }, ledger: "none" }],
    ] as const
  ).map(([name, changes]) =>
    scenario(
      `spec-rule-${name}`,
      "SPEC-8 SPEC-7",
      `a spec that breaks a rule (${name}) changes nothing`,
      async (lab) => {
        const group = await lab.group({ concurrency: 5 });
        const member = lab.join(group);
        await member.recorded("running", ({ state }) => state === "running");
        await putDocument(lab.nc, group, { ...group.spec, ...changes, concurrency: 6 });
        await member.said(/"bad_spec"/);
        await member.beats(2);
        same("said once", member.lines.filter((line) => line.includes('"bad_spec"')).length, 1);
        has("the record", await member.record(), { concurrency: 5, state: "running", restart_needed: [] });
      },
    ),
  ),
];
