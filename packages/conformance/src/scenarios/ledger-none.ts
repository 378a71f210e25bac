// Without a ledger: the same steps, no row in any of them, and nothing that a row would tell.
import { has, same } from "../expect.ts";
import { type Scenario, scenario } from "../scenario.ts";

export const ledgerNone: Scenario[] = [
  scenario("none-done", "LEDGER-6", "a handler that returns is acked, without a row", async (lab) => {
    const group = await lab.group({ ledger: "none" });
    const tap = await lab.tap(group);
    lab.join(group);
    const { seq } = await group.send({ eventId: "n.1" });
    await group.quiet();
    same("the order", tap.order({ seq, eventId: "n.1" }), ["ack"]);
    same("messages left", await group.left(), 0);
  }),

  scenario("none-repeat", "LEDGER-6", "the same event again is handled again", async (lab) => {
    const group = await lab.group({ ledger: "none" });
    const tap = await lab.tap(group);
    lab.join(group);
    await group.send({ eventId: "n.1" });
    await group.quiet();
    const { seq } = await group.send({ eventId: "n.1", directive: "permanent" });
    await group.died();
    await tap.tells(seq, "term 1");
  }),

  scenario(
    "none-dead",
    "LEDGER-6 SETTLE-10",
    "a death: the dead letter, then the term, without a row",
    async (lab) => {
      const group = await lab.group({ ledger: "none" });
      const tap = await lab.tap(group);
      lab.join(group);
      const { seq } = await group.send({ eventId: "n.1", directive: "permanent;text=no" });
      const [letter] = await group.died();
      await tap.tells(seq, "term 1");
      same("the order", tap.order({ seq, eventId: "n.1" }), ["letter", "term"]);
      has("the dead letter", letter?.headers, { "Muster-Dlq-Reason": "permanent", "Muster-Dlq-Error": "no" });
    },
  ),

  scenario("none-retry", "LEDGER-6 SETTLE-5", "attempts are counted as with a ledger", async (lab) => {
    const group = await lab.group({ ledger: "none" });
    const tap = await lab.tap(group);
    lab.join(group);
    const good = await group.send({ eventId: "good", directive: "retryable;times=2" });
    const bad = await group.send({ eventId: "bad", directive: "retryable" });
    const [letter] = await group.died();
    await group.quiet();
    same(
      "what was said of both",
      [tap.story(good.seq), tap.story(bad.seq)],
      ["nak 1, nak 2, ack 3", "nak 1, nak 2, term 3"],
    );
    has("the dead letter", letter?.headers, { "Muster-Dlq-Reason": "exhausted", "Muster-Dlq-Attempts": "3" });
  }),

  scenario(
    "none-crash",
    "LEDGER-6",
    "a crash before the dead letter: the next member handles it again",
    async (lab) => {
      const group = await lab.group({ ledger: "none", ack_wait_ms: 3000 });
      const { seq } = await group.send({ eventId: "n.1", directive: "permanent;text=no" });
      const first = lab.join(group, { MUSTER_CONFORMANCE_KILL_AT: "dead_lettered" });
      await first.ended();
      const tap = await lab.tap(group);
      lab.join(group);
      await tap.tells(seq, "term 2");
      same("dead letters, with the same id", (await group.deadLetters()).length, 1);
    },
  ),

  scenario(
    "none-unreachable",
    "DEGRADED-1",
    "a dead-letter stream that is full: degraded, and well again",
    async (lab) => {
      const group = await lab.group({ ledger: "none" });
      const free = await group.fillDeadLetters();
      const member = lab.join(group);
      const { seq } = await group.send({ eventId: "n.1", directive: "permanent" });
      await member.said(/"degraded"/);
      same("messages left", await group.left(), 1);
      await free();
      await member.said(/"recovered"/);
      await group.quiet();
      const letters = (await group.deadLetters()).map(({ headers }) => headers["Muster-Dlq-Seq"]);
      same("the dead letter", letters, [String(seq)]);
    },
  ),
];
