// Attempts decide, and they are not deliveries: what a message may still do when it comes again.
import { jetstreamManager } from "@nats-io/jetstream";
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import { handOut } from "../lab/hand-out.ts";
import { type Scenario, scenario } from "../scenario.ts";

export const admit: Scenario[] = [
  scenario(
    "admit-deliveries",
    "ADMIT-2",
    "deliveries in which no handler started are no attempts",
    async (lab) => {
      const group = await lab.group({ retry: { max_attempts: 2 } });
      const { seq } = await group.send({ eventId: "a.1", directive: "retryable;times=1" });
      await handOut(lab.nc, group, { times: 6 });
      lab.join(group);
      has("the row", await group.settled("a.1", "done"), { sequence: seq });
      same("dead letters", await group.deadLetters(), []);
    },
  ),

  scenario(
    "admit-prefetch-crash",
    "ADMIT-2",
    "what a process only held when it died has lost no attempt",
    async (lab) => {
      const group = await lab.group({ concurrency: 1, ack_wait_ms: 3000, retry: { max_attempts: 2 } });
      const tap = await lab.tap(group);
      // The first one's handler runs, the second one waits behind it, whenever the process dies.
      await group.send({ eventId: "running", directive: "block;ms=60000" });
      const held = await group.send({ eventId: "held", directive: "retryable;times=1" });
      for (let crash = 1; crash <= 3; crash++) {
        const member = lab.join(group);
        await waitFor(
          "both in hand",
          async () => (await group.consumer()).delivered.consumer_seq >= 2 * crash,
        );
        await member.handling();
        member.signal("SIGKILL");
        await member.ended();
      }
      same("what was said of the one that was held", tap.story(held.seq), "");
      lab.join(group);
      await group.settled("held", "done");
    },
  ),

  scenario(
    "admit-exhausted",
    "ADMIT-2 DLQ-12",
    "attempts used up when it comes again: exhausted, not run",
    async (lab) => {
      const group = await lab.group({ retry: { max_attempts: 5, backoff_ms: [1500] } });
      const tap = await lab.tap(group);
      lab.join(group);
      const { seq } = await group.send({ eventId: "a.1", directive: "retryable;times=1;text=first" });
      await tap.tells(seq, "nak 1");
      // Were it run, it would be done.
      await group.change({ retry: { ...group.spec.retry, max_attempts: 1 } });
      has("the row", await group.settled("a.1", "dead"), { reason: "exhausted" });
      const [letter] = await group.died();
      has("the dead letter", letter?.headers, {
        "Muster-Dlq-Error": "first",
        "Muster-Dlq-Attempts": "1",
      });
    },
  ),

  scenario(
    "admit-open-record",
    "ADMIT-2 DLQ-12",
    "starts used up that never reported back: crash_loop, not run",
    async (lab) => {
      const group = await lab.group();
      const { seq } = await group.send({ eventId: "a.1" });
      await handOut(lab.nc, group, { times: 3 });
      await group.writeAttempts(seq, { attempts: 3, delivery: 3, open: true });
      lab.join(group);
      has("the row", await group.settled("a.1", "dead"), { reason: "crash_loop" });
      const [letter] = await group.died();
      has("the dead letter", letter?.headers, {
        "Muster-Dlq-Error-Class": "NeverReported",
        "Muster-Dlq-Error": "handler started and never reported back",
        "Muster-Dlq-Attempts": "3",
      });
    },
  ),

  scenario("admit-attempt-number", "ADMIT-7", "the attempt number goes on from the record", async (lab) => {
    const group = await lab.group({ retry: { max_attempts: 5 } });
    const tap = await lab.tap(group);
    const { seq } = await group.send({ eventId: "a.1", directive: "retryable;times=3" });
    await handOut(lab.nc, group, { times: 1 });
    await group.writeAttempts(seq, { attempts: 2, delivery: 1 });
    lab.join(group);
    await group.settled("a.1", "done");
    await tap.tells(seq, "nak 1, nak 2, ack 3");
  }),

  scenario(
    "admit-suspect-note",
    "ADMIT-5 ADMIT-3",
    "the start of a suspect is on record before its handler ends",
    async (lab) => {
      const group = await lab.group();
      const { seq } = await group.send({ eventId: "a.1", directive: "block;ms=3000" });
      await handOut(lab.nc, group, { times: 2 });
      const member = lab.join(group);
      const record = await waitFor("the note", () => group.attempts(seq));
      has("the note", record, { attempts: 1, open: true, delivery: 3 });
      has("its entry", record.history[0], { attempt: 1, outcome: "started", member: member.id });
      await group.settled("a.1", "done");
      await waitFor("the record to be gone", async () => (await group.attempts(seq)) === undefined);
    },
  ),

  scenario("admit-suspect-fails", "ATTEMPT-2", "a suspect that fails is counted once", async (lab) => {
    const group = await lab.group({ retry: { backoff_ms: [60_000] } });
    const tap = await lab.tap(group);
    const { seq } = await group.send({ eventId: "a.1", directive: "retryable" });
    await handOut(lab.nc, group, { times: 2 });
    lab.join(group);
    await waitFor("its failure", () => tap.story(seq).includes("nak 3"));
    const record = await group.attempts(seq);
    has("the record", record, { attempts: 1, open: false, delivery: 3 });
    same(
      "its entries",
      record?.history.map(({ outcome }) => outcome),
      ["failed"],
    );
  }),

  scenario("admit-suspect-snoozes", "ATTEMPT-3", "a suspect that snoozes is not counted", async (lab) => {
    const group = await lab.group();
    const tap = await lab.tap(group);
    const { seq } = await group.send({ eventId: "a.1", directive: "snooze;delay_ms=60000" });
    await handOut(lab.nc, group, { times: 2 });
    lab.join(group);
    await waitFor("its snooze", () => tap.story(seq).includes("nak 3"));
    has("the record", await group.attempts(seq), { attempts: 0, snoozes: 1, open: false });
  }),

  scenario("admit-suspects-alone", "ADMIT-4", "a member runs its suspects one at a time", async (lab) => {
    const group = await lab.group({ concurrency: 10 });
    const tap = await lab.tap(group);
    const seqs: number[] = [];
    for (let n = 0; n < 5; n++)
      seqs.push((await group.send({ eventId: `s.${n}`, directive: "block;ms=500" })).seq);
    await handOut(lab.nc, group, { times: 1, messages: 5 });
    lab.join(group);
    for (let n = 0; n < 5; n++) await group.settled(`s.${n}`, "done");
    await group.quiet();
    const ends = seqs.flatMap((seq) => tap.of(seq).filter(({ kind }) => kind === "ack")).map(({ at }) => at);
    const gaps = ends
      .toSorted((a, b) => a - b)
      .flatMap((at, n, all) => (n === 0 ? [] : [at - (all[n - 1] ?? 0)]));
    holds(
      "each ends a handler's time after the one before",
      gaps.every((ms) => ms > 250),
      gaps,
    );
  }),

  scenario(
    "admit-suspects-beside",
    "ADMIT-6 ADMIT-4",
    "what is no suspect does not wait for one",
    async (lab) => {
      const group = await lab.group({ concurrency: 3, ack_wait_ms: 30_000 });
      const tap = await lab.tap(group);
      const suspect = await group.send({ eventId: "suspect", directive: "block;ms=4000" });
      await handOut(lab.nc, group, { times: 1 });
      lab.join(group);
      await waitFor("the suspect's note", () => group.attempts(suspect.seq));
      await group.send({ eventId: "fresh" });
      await group.settled("fresh", "done");
      // The one nak is that of the hand-out.
      await tap.tells(suspect.seq, "nak 1");
    },
  ),

  scenario("admit-consumer-remade", "SETTLE-13", "attempts outlive the consumer", async (lab) => {
    const group = await lab.group({ retry: { max_attempts: 2, backoff_ms: [60_000] } });
    const tap = await lab.tap(group);
    const first = lab.join(group);
    const { seq } = await group.send({ eventId: "a.1", directive: "retryable;text=again" });
    await tap.tells(seq, "nak 1");
    first.signal("SIGTERM");
    await first.ended();
    const manager = await jetstreamManager(lab.nc);
    const { config } = await group.consumer();
    await manager.consumers.delete(group.stream, group.group);
    await manager.consumers.add(group.stream, config);
    lab.join(group);
    has("the row", await group.settled("a.1", "dead"), { reason: "exhausted" });
    const [letter] = await group.died();
    has("the dead letter", letter?.headers, { "Muster-Dlq-Attempts": "2" });
    await tap.tells(seq, "nak 1, term 1");
  }),

  scenario("admit-server-killed", "ADMIT-1", "attempts outlive a server that is killed", async (lab) => {
    const site = await lab.ownServer();
    const group = await lab.group({ on: site, retry: { max_attempts: 3, backoff_ms: [1000] } });
    lab.join(group);
    const { seq } = await group.send({ eventId: "a.1", directive: "retryable;text=no" });
    await waitFor("its first failure", async () => (await group.attempts(seq))?.attempts === 1);
    await site.restart();
    has("the row", await group.settled("a.1", "dead"), { reason: "exhausted" });
    const [letter] = await group.died();
    has("the dead letter", letter?.headers, { "Muster-Dlq-Attempts": "3" });
  }),
];
