// Mode queue: core NATS, at most once; what fails is dead at once.
import { jetstreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import { dlqStream, memberSubject } from "@muster/contracts";
import { waitFor } from "../lab/wait.ts";
import { has, holds, like, same } from "../expect.ts";
import type { GroupOptions } from "../lab/group.ts";
import { order } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

const core: GroupOptions = { delivery: { mode: "queue" }, ledger: "none" };

const failures = [
  ["permanent", "permanent;text=no", "permanent", { "Muster-Dlq-Error": "no" }],
  ["retryable", "retryable;text=later", "exhausted", { "Muster-Dlq-Error": "later" }],
  ["snooze", "snooze;delay_ms=10", "exhausted", { "Muster-Dlq-Error-Class": "Snooze" }],
  ["deadline", "block;ms=1500", "exhausted", { "Muster-Dlq-Error-Class": "DeadlineExceeded" }],
  ["result", "result;bytes=9000", "permanent", { "Muster-Dlq-Error-Class": "InvalidResult" }],
] as const;

export const queue: Scenario[] = [
  scenario("queue-done", "QUEUE-1", "a message is handled, and nobody is answered", async (lab) => {
    const group = await lab.group(core);
    const member = await joined(lab.join(group));
    const answer = lab.nc.request(group.subject(), JSON.stringify(order("q")), { timeout: 1500 });
    const record = await member.recorded("one done", ({ counts }) => counts.done === 1);
    same("the mode", record.delivery, "queue");
    const error = await answer.then(
      () => "an answer",
      (reason: unknown) => String(reason),
    );
    like("a request", error, /timeout/i);
  }),

  scenario("queue-group", "QUEUE-1", "each message goes to one member", async (lab) => {
    const group = await lab.group(core);
    const members = [await joined(lab.join(group)), await joined(lab.join(group))];
    for (let n = 0; n < 40; n++) group.cast({ eventId: `q.${n}` });
    const counted = async (): Promise<number[]> => {
      const records = await Promise.all(members.map(async (member) => member.record()));
      return records.map((record) => record?.counts.done ?? 0);
    };
    await waitFor("all to be done", async () => (await counted()).reduce((a, b) => a + b) >= 40);
    for (const member of members) await member.beats(2);
    const counts = await counted();
    same(
      "done",
      counts.reduce((a, b) => a + b),
      40,
    );
    holds(
      "by both",
      counts.every((count) => count > 0),
      counts,
    );
  }),

  ...failures.map(([name, directive, reason, facts]) =>
    scenario(`queue-dead-${name}`, "QUEUE-4", `${directive} is dead as ${reason}, at once`, async (lab) => {
      const group = await lab.group({ ...core, timeout_ms: 700 });
      await joined(lab.join(group));
      group.cast({ eventId: "q.1", directive });
      const [letter] = await group.died();
      same("the subject", letter?.subject, `muster.dlq.core.${group.group}.${reason}`);
      has("the dead letter", letter?.headers, {
        "Muster-Dlq-Reason": reason,
        "Muster-Dlq-Attempts": "1",
        ...facts,
      });
    }),
  ),

  scenario(
    "queue-invalid",
    "QUEUE-3",
    "a bad body and a foreign contract are dead, as in other modes",
    async (lab) => {
      const group = await lab.group(core);
      await joined(lab.join(group));
      group.cast({ eventId: "bad", body: "{" });
      group.cast({ eventId: "foreign", headers: { "Muster-Contract": "invoice.v9" } });
      const letters = await group.died(2);
      const told = letters.map(({ headers: head }) => [
        head["Muster-Dlq-Event-Id"],
        head["Muster-Dlq-Reason"],
        head["Muster-Dlq-Attempts"],
      ]);
      same(
        "the dead letters",
        new Set(told.map(String)),
        new Set(["bad,invalid,0", "foreign,unknown_contract,0"]),
      );
    },
  ),

  scenario(
    "queue-contract-missing",
    "QUEUE-3",
    "an accepted contract that cannot be had is a death too",
    async (lab) => {
      const group = await lab.group({ ...core, contracts: ["order.v1", "nowhere.v1"] });
      await joined(lab.join(group));
      group.cast({ eventId: "q.1", headers: { "Muster-Contract": "nowhere.v1" } });
      const [letter] = await group.died();
      has("the dead letter", letter?.headers, {
        "Muster-Dlq-Reason": "unknown_contract",
        "Muster-Dlq-Error": "contract nowhere.v1 is not in the bucket",
      });
    },
  ),

  scenario(
    "queue-facts",
    "QUEUE-5 DLQ-2",
    "its dead letter tells when and what, for there is no sequence",
    async (lab) => {
      const group = await lab.group(core);
      const member = await joined(lab.join(group));
      const body = JSON.stringify(order("q"));
      group.cast({ eventId: "q.1", body, directive: "permanent", headers: { "Nats-Rollup": "sub" } }, "a.b");
      const [letter] = await group.died();
      const { headers: head = {} } = letter ?? {};
      has("the dead letter", head, {
        "Muster-Dlq-Stream": "core",
        "Muster-Dlq-Seq": "0",
        "Muster-Dlq-Subject": group.subject("a.b"),
        "Muster-Dlq-Event-Id": "q.1",
        "Muster-Dlq-Member": member.id,
        "Muster-Original-Nats-Rollup": "sub",
      });
      const storeTime = head["Muster-Dlq-Store-Time"] ?? "";
      holds(
        "the store time is now, in ns",
        Math.abs(Number(storeTime) / 1e6 - Date.now()) < 60_000,
        storeTime,
      );
      like(
        "the id",
        head["Muster-Dlq-Id"],
        new RegExp(`^dl\\.${group.group}\\.[0-9a-f]{24}\\.0\\.${storeTime}$`),
      );
      same("the body", Buffer.from(letter?.body ?? []).toString(), body);
    },
  ),

  scenario("queue-event-id", "QUEUE-2", "without an id of its own a message gets a UUIDv7", async (lab) => {
    const group = await lab.group(core);
    await joined(lab.join(group));
    group.cast({ headers: { "Nats-Msg-Id": "m-1" }, directive: "permanent" });
    await group.died();
    group.cast({ directive: "permanent" });
    const [first, second] = (await group.died(2)).map(({ headers: head }) => head["Muster-Dlq-Event-Id"]);
    same("by the message id", first, "m-1");
    like("a new one", second, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }),

  scenario("queue-pause", "QUEUE-8", "while paused messages pass unseen", async (lab) => {
    const group = await lab.group(core);
    const member = await joined(lab.join(group));
    await group.change({ paused: true });
    await member.recorded("the pause", ({ state }) => state === "paused");
    await member.beats(1);
    group.cast({ eventId: "unseen", directive: "permanent" });
    await lab.nc.flush();
    await group.change({});
    await member.recorded("going on", ({ state }) => state === "running");
    await member.beats(1);
    group.cast({ eventId: "seen", directive: "permanent" });
    const letters = (await group.died()).map(({ headers: head }) => head["Muster-Dlq-Event-Id"]);
    same("the dead letters", letters, ["seen"]);
  }),

  scenario(
    "queue-drain",
    "QUEUE-9 DRAIN-4",
    "a drain handles what was received, and takes no more",
    async (lab) => {
      const group = await lab.group({ ...core, concurrency: 2 });
      const member = await joined(lab.join(group));
      // What dies tells that it was handled.
      for (let n = 0; n < 4; n++) group.cast({ eventId: `q.${n}`, directive: "block;ms=2000" });
      for (let n = 4; n < 10; n++) group.cast({ eventId: `q.${n}`, directive: "permanent" });
      await member.recorded("all in hand", ({ held }) => held >= 8);
      member.signal("SIGTERM");
      same("its end", await member.ended(), { code: 0, signal: null });
      same("dead letters", (await group.deadLetters()).length, 6);
    },
  ),

  scenario(
    "queue-letter-waits",
    "QUEUE-6",
    "a dead letter that cannot be stored is kept and tried again",
    async (lab) => {
      const site = await lab.ownServer();
      const group = await lab.group({ on: site, ...core });
      const free = await group.fillDeadLetters();
      const member = await joined(lab.join(group));
      group.cast({ eventId: "q.1", directive: "permanent" });
      group.cast({ eventId: "q.2" });
      // It goes on taking messages meanwhile.
      await member.recorded("the other one", ({ counts }) => counts.done === 1);
      same("dead letters", await group.deadLetters(), []);
      await free();
      const [letter] = await group.died();
      same("the dead letter", letter?.headers["Muster-Dlq-Event-Id"], "q.1");
    },
  ),

  scenario(
    "queue-letter-lost",
    "QUEUE-6",
    "beyond max_ack_pending dead letters are dropped, and that is said",
    async (lab) => {
      const site = await lab.ownServer();
      const group = await lab.group({ on: site, ...core, max_ack_pending: 1 });
      const manager = await jetstreamManager(site.nc);
      await manager.streams.delete(dlqStream("core"));
      const member = await joined(lab.join(group));
      group.cast({ eventId: "q.1", directive: "permanent" });
      await member.recorded("the first", ({ counts }) => counts.dead === 1);
      group.cast({ eventId: "q.2", directive: "permanent" });
      const line = await member.said(/"message lost"/);
      like("the line", line, /"level":"error"/);
    },
  ),

  scenario(
    "queue-full",
    "QUEUE-7",
    "beyond max_ack_pending messages are dropped, and that is said",
    async (lab) => {
      const group = await lab.group({ ...core, concurrency: 1, max_ack_pending: 2 });
      const member = await joined(lab.join(group));
      for (let n = 0; n < 6; n++) group.cast({ eventId: `q.${n}`, directive: "block;ms=1500" });
      await member.said(/"message lost"/);
      const record = await member.recorded("those in hand", ({ counts }) => counts.done >= 1);
      holds("it goes on", record.counts.done >= 1);
    },
  ),

  scenario(
    "queue-replay",
    "QUEUE-10",
    "a replay is answered when it is in hand, and handled as the original",
    async (lab) => {
      const group = await lab.group(core);
      const member = await joined(lab.join(group));
      const head = headers();
      head.set("Muster-Event-Id", "q.1");
      head.set("Muster-Replay-Subject", group.subject("some.subject"));
      head.set("Muster-Replay-Number", "2");
      head.set("Muster-Conformance", "permanent;text=again");
      const subject = memberSubject("core", group.group, member.id, "replay");
      const options = { headers: head, timeout: 5000 };
      const answer = await lab.nc.request(subject, JSON.stringify(order("q")), options);
      has("the answer", answer.json(), { ok: true });
      const [letter] = await group.died();
      has("the dead letter", letter?.headers, {
        "Muster-Dlq-Subject": group.subject("some.subject"),
        "Muster-Dlq-Event-Id": "q.1",
        "Muster-Dlq-Replay-Number": "2",
        "Muster-Dlq-Error": "again",
      });
    },
  ),

  scenario("queue-replay-refused", "QUEUE-10", "a paused member refuses a replay", async (lab) => {
    const group = await lab.group(core);
    const member = await joined(lab.join(group));
    await group.change({ paused: true });
    await member.recorded("the pause", ({ state }) => state === "paused");
    const subject = memberSubject("core", group.group, member.id, "replay");
    const answer = await lab.nc.request(subject, "{}", { timeout: 5000 });
    has("the answer", answer.json(), { ok: false });
  }),
];

/** A core subscription is there only when the member has joined: what is published before passes unseen. */
async function joined<M extends { joined(): Promise<void>; beats(count: number): Promise<void> }>(
  member: M,
): Promise<M> {
  await member.joined();
  await member.beats(1);
  return member;
}
