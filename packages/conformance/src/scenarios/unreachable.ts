// What is durable cannot be written: nothing is lost, nothing is counted, and it goes on by itself.
import { jetstreamManager } from "@nats-io/jetstream";
import { buckets, dlqStream } from "@muster/contracts";
import { waitFor } from "../lab/wait.ts";
import { like, same } from "../expect.ts";
import type { GroupOptions } from "../lab/group.ts";
import type { Lab } from "../lab/lab.ts";
import { type Scenario, scenario } from "../scenario.ts";

export const unreachable: Scenario[] = [
  scenario(
    "away-dlq-full",
    "DLQ-1 SETTLE-8",
    "a full dead-letter stream: the message stays until there is room",
    async (lab) => {
      const group = await lab.group();
      const tap = await lab.tap(group);
      const manager = await jetstreamManager(lab.nc);
      const { config } = await manager.streams.info(dlqStream(group.stream));
      await manager.streams.update(config.name, { ...config, max_msgs: 1 });
      const member = lab.join(group);
      for (const n of [1, 2]) {
        await group.send({ eventId: `f.${n}`, directive: "permanent" });
        await group.settled(`f.${n}`, "dead");
      }
      await member.said(/"degraded"/);
      same("dead letters", (await group.deadLetters()).length, 1);
      same("messages left", await group.left(), 1);
      await manager.streams.update(config.name, { ...config, max_msgs: -1 });
      await group.quiet();
      same("dead letters at the end", (await group.deadLetters()).length, 2);
      same("messages left at the end", await group.left(), 0);
      like("what was said of the second", tap.story(2), /^(nak \d+, )+term \d+$/);
    },
  ),

  scenario(
    "away-dlq",
    "DLQ-1 DEGRADED-1 WIRE-2",
    "a dead-letter stream that is away: the member says so and recovers",
    async (lab) => {
      const group = await lab.group();
      const manager = await jetstreamManager(lab.nc);
      const { config } = await manager.streams.info(dlqStream(group.stream));
      await manager.streams.delete(config.name);
      const member = lab.join(group);
      await group.send({ eventId: "n.1", directive: "permanent;text=why" });
      await member.said(/"degraded"/);
      same("messages left", await group.left(), 1);
      await manager.streams.add(config);
      await member.said(/"recovered"/);
      await group.quiet();
      same(
        "dead letters",
        (await group.deadLetters()).map(({ headers }) => headers["Muster-Dlq-Error"]),
        ["why"],
      );
      same("messages left at the end", await group.left(), 0);
    },
  ),

  scenario(
    "away-ledger",
    "SETTLE-8 SETTLE-19",
    "a ledger that is away: the message waits, uncounted",
    async (lab) => {
      const { group, member, takeAway } = await withoutBucket(lab, buckets.ledger);
      const tap = await lab.tap(group);
      const putBack = await takeAway();
      const { seq } = await group.send({ eventId: "a.1" });
      await member.said(/"degraded"/);
      await waitFor("the nak", () => tap.story(seq) !== "");
      await tap.tells(seq, "nak 1");
      same("its delay", tap.of(seq).find(({ kind }) => kind === "nak")?.delayMs, 5000);
      await putBack();
      same("the sequence", (await group.settled("a.1", "done")).sequence, seq);
      await group.quiet();
      same("the attempts record", await group.attempts(seq), undefined);
    },
  ),

  scenario("away-attempts", "SETTLE-8", "a failure that cannot be recorded is not counted", async (lab) => {
    const { group, member, takeAway } = await withoutBucket(lab, buckets.attempts);
    const tap = await lab.tap(group);
    const putBack = await takeAway();
    const { seq } = await group.send({ eventId: "a.1", directive: "retryable;times=1" });
    await member.said(/"degraded"/);
    await waitFor("the nak", () => tap.story(seq) !== "");
    await tap.tells(seq, "nak 1");
    await putBack();
    await waitFor("its first attempt that counts", async () => (await group.attempts(seq))?.attempts === 1);
    await group.settled("a.1", "done");
  }),

  scenario(
    "away-no-pull",
    "DEGRADED-1 PULL-4",
    "a degraded member takes nothing, and says so in its record",
    async (lab) => {
      const { group, member, takeAway } = await withoutBucket(lab, buckets.ledger);
      const putBack = await takeAway();
      await group.send({ eventId: "a.1" });
      await member.recorded("being degraded", ({ degraded }) => degraded);
      await waitFor("the last pull to run out", async () => (await group.consumer()).num_waiting === 0);
      await group.send({ eventId: "a.2" });
      // Two further beats, in which it could have pulled.
      await member.beats(2);
      same("messages that wait", (await group.consumer()).num_pending, 1);
      await putBack();
      await member.recorded("being well", ({ degraded }) => !degraded);
      await group.settled("a.1", "done");
      await group.settled("a.2", "done");
    },
  ),

  scenario(
    "away-held",
    "DEGRADED-2 SETTLE-8",
    "what runs while the ledger is away is extended, and given back uncounted",
    async (lab) => {
      const { group, member, takeAway } = await withoutBucket(lab, buckets.ledger, { ack_wait_ms: 2000 });
      const tap = await lab.tap(group);
      const running = await group.send({ eventId: "running", directive: "block;ms=7000" });
      await member.handling();
      const putBack = await takeAway();
      await group.send({ eventId: "trigger" });
      await member.said(/"degraded"/);
      await waitFor("the handler's end", () => tap.story(running.seq) !== "");
      await tap.tells(running.seq, "nak 1");
      await putBack();
      await group.settled("running", "done");
      await tap.tells(running.seq, "nak 1, ack 2");
    },
  ),
];

/** A running member on a server of its own, and a bucket that can be taken away. */
async function withoutBucket(lab: Lab, bucket: string, options: GroupOptions = {}) {
  const site = await lab.ownServer();
  const group = await lab.group({ on: site, ...options });
  const member = lab.join(group);
  await member.recorded("running", ({ state }) => state === "running");
  const manager = await jetstreamManager(site.nc);
  const { config } = await manager.streams.info(`KV_${bucket}`);
  const takeAway = async () => {
    await manager.streams.delete(config.name);
    return async () => void (await manager.streams.add(config));
  };
  return { group, member, takeAway };
}
