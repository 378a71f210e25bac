// A stream that was deleted and made again gives its sequences a second time.
import { jetstreamManager } from "@nats-io/jetstream";
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import type { Group } from "../lab/group.ts";
import { provisionGroup } from "../lab/provision.ts";
import { order } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

const body = (amount: number): string => JSON.stringify(order("o", amount));

export const remade: Scenario[] = [
  scenario(
    "remade-attempts",
    "ADMIT-1 ATTEMPT-4",
    "an old attempts record is not the new message's",
    async (lab) => {
      const group = await lab.group({ retry: { max_attempts: 2 } });
      lab.join(group);
      const old = await group.send({ eventId: "old", directive: "retryable;delay_ms=600000" });
      const record = await waitFor("its attempts record", () => group.attempts(old.seq));
      same("its attempts", record.attempts, 1);
      await remake(group);
      // One attempt is left by the old record: were it this message's, its first failure would be its last.
      const young = await group.send({ eventId: "young", directive: "retryable;times=1" });
      same("the sequence comes again", young.seq, old.seq);
      has("the row", await group.settled("young", "done"), { sequence: young.seq });
      await group.quiet();
      same("dead letters", await group.deadLetters(), []);
    },
  ),

  scenario(
    "remade-done-row",
    "LOOK-4 MSG-7",
    "a done row of the old stream tells a repeat from a conflict",
    async (lab) => {
      const group = await lab.group();
      const tap = await lab.tap(group);
      lab.join(group);
      await group.send({ eventId: "done", body: body(1) });
      await group.settled("done", "done");
      await group.quiet();
      await remake(group);
      // The same sequences for other messages: only the store time tells them apart.
      await group.send({ eventId: "other", body: body(1) });
      const other = await group.send({ eventId: "done", body: body(2) });
      const same_ = await group.send({ eventId: "done", body: body(1) });
      await group.quiet();
      same("the first of the new stream", (await group.settled("other", "done")).sequence, 1);
      await tap.tells(other.seq, "term 1");
      await tap.tells(same_.seq, "ack 1");
      const reasons = (await group.deadLetters()).map(({ headers }) => headers["Muster-Dlq-Reason"]);
      same("dead letters", reasons, ["conflict"]);
    },
  ),

  scenario(
    "remade-dead-row",
    "LOOK-6 LOOK-9 ACK-3",
    "a dead row of the old stream is no row of the new message",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const old = await group.send({ eventId: "dead", body: body(1), directive: "permanent" });
      const died = await group.settled("dead", "dead");
      await group.quiet();
      await remake(group);
      const young = await group.send({ eventId: "dead", body: body(1) });
      same("the sequence comes again", young.seq, old.seq);
      const row = await group.settled("dead", "done");
      holds("the store time is a later one", BigInt(row.store_time) > BigInt(died.store_time), row);
    },
  ),

  scenario(
    "remade-dead-letter",
    "DLQ-10",
    "a death under the same event and sequence has a dead letter of its own, with its own bytes",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      const bodies = [body(1), body(2)];
      const first = await group.send({ eventId: "dead", body: body(1), directive: "permanent" });
      await group.died();
      await group.quiet();
      await remake(group);
      const second = await group.send({ eventId: "dead", body: body(2), directive: "permanent" });
      same("the sequence comes again", second.seq, first.seq);
      const letters = await group.died(2);
      same(
        "their bodies",
        letters.map((letter) => Buffer.from(letter.body).toString()),
        bodies,
      );
      same("their ids", new Set(letters.map(({ headers }) => headers["Muster-Dlq-Id"])).size, 2);
    },
  ),

  scenario(
    "remade-consumer",
    "PULL-7",
    "a consumer that is deleted and made again is served on",
    async (lab) => {
      const group = await lab.group();
      const member = lab.join(group);
      await member.joined();
      const manager = await jetstreamManager(lab.nc);
      await manager.consumers.delete(group.stream, group.group);
      await provisionGroup(lab.nc, group.spec);
      await group.send({ eventId: "c.1" });
      await group.settled("c.1", "done");
    },
  ),
];

/** Deletes the stream under its members, and makes it and its consumer again. */
async function remake(group: Group): Promise<void> {
  const manager = await jetstreamManager(group.nc);
  const { config } = await manager.streams.info(group.stream);
  await manager.streams.delete(group.stream);
  await manager.streams.add(config);
  await provisionGroup(group.nc, group.spec);
}
