// Every row of the settle table: what a delivery ends in, and in which order.
import { waitFor } from "../lab/wait.ts";
import { has, same } from "../expect.ts";
import { order } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

export const settle: Scenario[] = [
  scenario(
    "settle-done",
    "SETTLE-1 LOOK-2",
    "a handler that returns: a done row, an ack, nothing left",
    async (lab) => {
      const group = await lab.group();
      const tap = await lab.tap(group);
      const member = lab.join(group);
      const { seq } = await group.send({ eventId: "d.1" });
      const row = await group.settled("d.1", "done");
      await group.quiet();
      has("the row", row, { event_id: "d.1", sequence: seq, sequences: [], more: 0, member: member.id });
      await tap.tells(seq, "ack 1");
      same("messages left", await group.left(), 0);
      same("the attempts record", await group.attempts(seq), undefined);
    },
  ),

  scenario("settle-done-order", "SETTLE-1", "the row is there before the ack", async (lab) => {
    const group = await lab.group();
    const tap = await lab.tap(group);
    lab.join(group);
    const { seq } = await group.send({ eventId: "d.1" });
    await tap.tells(seq, "ack 1");
    same("the order", tap.order({ seq, eventId: "d.1" }), ["row done", "ack"]);
  }),

  scenario("settle-record-gone", "SETTLE-1", "the attempts record is deleted after the ack", async (lab) => {
    const group = await lab.group();
    const tap = await lab.tap(group);
    lab.join(group);
    const { seq } = await group.send({ eventId: "d.1", directive: "retryable;times=1" });
    await group.settled("d.1", "done");
    await waitFor("the record to be gone", async () => (await group.attempts(seq)) === undefined);
    same("the order", tap.order({ seq, eventId: "d.1" }), [
      "record",
      "nak",
      "row done",
      "ack",
      "record gone",
    ]);
  }),

  scenario(
    "settle-result",
    "CONF-12 RUN-2 CONF-1 CONF-3",
    "the row keeps what the handler returned",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      await group.send({ eventId: "r.1" }, "some.subject");
      const { result } = await group.settled("r.1", "done");
      has("the result", result, { event_id: "r.1", subject: group.subject("some.subject") });
    },
  ),

  scenario(
    "settle-result-limit",
    "SETTLE-3 CONF-10",
    "a result over 8192 bytes dies as InvalidResult",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      await group.send({ eventId: "largest", directive: "result;bytes=8192" });
      await group.send({ eventId: "larger", directive: "result;bytes=8193" });
      has("the row of the larger", await group.settled("larger", "dead"), { reason: "permanent" });
      const [letter] = await group.died();
      has("its dead letter", letter?.headers, { "Muster-Dlq-Error-Class": "InvalidResult" });
      await group.settled("largest", "done");
    },
  ),

  scenario(
    "settle-result-json",
    "SETTLE-3",
    "a result that is no JSON dies as InvalidResult",
    async (lab) => {
      const group = await lab.group();
      lab.join(group);
      await group.send({ eventId: "odd", directive: "result;bytes=-1" });
      has("the row", await group.settled("odd", "dead"), { reason: "permanent" });
      const [letter] = await group.died();
      has("its dead letter", letter?.headers, { "Muster-Dlq-Error-Class": "InvalidResult" });
    },
  ),

  scenario(
    "settle-permanent",
    "SETTLE-4 CONF-4",
    "a permanent failure is dead at its first attempt",
    async (lab) => {
      const group = await lab.group();
      const tap = await lab.tap(group);
      lab.join(group);
      const { seq } = await group.send({ eventId: "p.1", directive: "permanent;text=no such customer" });
      const row = await group.settled("p.1", "dead");
      const [letter] = await group.died();
      await group.quiet();
      has("the row", row, { reason: "permanent", sequence: seq });
      same("the subject", letter?.subject, `muster.dlq.${group.stream}.g.permanent`);
      has("the dead letter", letter?.headers, {
        "Muster-Dlq-Reason": "permanent",
        "Muster-Dlq-Error": "no such customer",
        "Muster-Dlq-Attempts": "1",
      });
      await tap.tells(seq, "term 1");
      same("messages left", await group.left(), 0);
    },
  ),

  scenario(
    "settle-dead-order",
    "SETTLE-10 DLQ-15",
    "dead: first the row, then the dead letter, then the term",
    async (lab) => {
      const group = await lab.group();
      const tap = await lab.tap(group);
      lab.join(group);
      const { seq } = await group.send({ eventId: "p.1", directive: "permanent" });
      await waitFor("the term", () => tap.story(seq) !== "");
      same("the order", tap.order({ seq, eventId: "p.1" }), ["row dead", "letter", "term"]);
    },
  ),

  scenario("settle-dead-record-gone", "SETTLE-10", "the attempts record goes after the term", async (lab) => {
    const group = await lab.group({ retry: { max_attempts: 2 } });
    const tap = await lab.tap(group);
    lab.join(group);
    const { seq } = await group.send({ eventId: "p.1", directive: "retryable" });
    await group.settled("p.1", "dead");
    await waitFor("the record to be gone", async () => (await group.attempts(seq)) === undefined);
    same("the order", tap.order({ seq, eventId: "p.1" }), [
      "record",
      "nak",
      "row dead",
      "letter",
      "term",
      "record gone",
    ]);
  }),

  scenario(
    "settle-exhausted",
    "SETTLE-6",
    "a failure without attempts left is dead as exhausted",
    async (lab) => {
      const group = await lab.group();
      const tap = await lab.tap(group);
      lab.join(group);
      const { seq } = await group.send({ eventId: "e.1", directive: "retryable;text=no luck" });
      has("the row", await group.settled("e.1", "dead"), { reason: "exhausted" });
      const [letter] = await group.died();
      await group.quiet();
      same("the subject", letter?.subject, `muster.dlq.${group.stream}.g.exhausted`);
      has("the dead letter", letter?.headers, { "Muster-Dlq-Error": "no luck", "Muster-Dlq-Attempts": "3" });
      await tap.tells(seq, "nak 1, nak 2, term 3");
    },
  ),

  ...(["same", "other"] as const).map((kind) =>
    scenario(
      `settle-dead-meets-done-${kind}`,
      kind === "same" ? "SETTLE-11 LOOK-10" : "SETTLE-11 SETTLE-12",
      kind === "same"
        ? "a death that finds its event done with the same body is acked"
        : "a death that finds its event done with another body is a conflict",
      async (lab) => {
        const group = await lab.group({ timeout_ms: 1000, retry: { max_attempts: 1 } });
        const tap = await lab.tap(group);
        lab.join(group);
        const body = JSON.stringify(order("e.1", kind === "same" ? 10 : 99));
        const slow = await group.send({ eventId: "e.1", body, directive: "block;ms=3000" });
        await waitFor("the slow one in hand", async () => (await group.consumer()).num_ack_pending === 1);
        const quick = await group.send({ eventId: "e.1" });
        const row = await group.settled("e.1", "done");
        same("who made the row", row.sequence, quick.seq);
        await waitFor("the slow one's end", () => tap.story(slow.seq) !== "");
        await group.quiet();
        // What it still returns after its deadline may be acked once more.
        const [end] = tap.story(slow.seq).split(", ");
        same("what was said of the slow one", end, kind === "same" ? "ack 1" : "term 1");
        const reasons = (await group.deadLetters()).map(({ headers }) => headers["Muster-Dlq-Reason"]);
        same("dead letters", reasons, kind === "same" ? [] : ["conflict"]);
        same("the row", await group.row("e.1"), { ...row, sequences: kind === "same" ? [slow.seq] : [] });
      },
    ),
  ),

  scenario(
    "settle-done-meets-dead",
    "SETTLE-2 LOOK-7",
    "a handler that returns when a later message of its event has died changes nothing",
    async (lab) => {
      const group = await lab.group();
      const tap = await lab.tap(group);
      lab.join(group);
      const slow = await group.send({ eventId: "e.1", directive: "block;ms=2000" });
      await waitFor("the slow one in hand", async () => (await group.consumer()).num_ack_pending === 1);
      const later = await group.send({ eventId: "e.1", directive: "permanent" });
      same("who made the row", (await group.settled("e.1", "dead")).sequence, later.seq);
      await group.quiet();
      has("the row", await group.row("e.1"), { status: "dead", sequence: later.seq });
      await tap.tells(slow.seq, "term 1");
      same("dead letters", (await group.deadLetters()).length, 1);
    },
  ),
];
