// What the ledger says of a message decides what is done with it, in every kind of ledger.
import { sha256Hex } from "@muster/contracts";
import { waitFor } from "../lab/wait.ts";
import { has, same } from "../expect.ts";
import { order } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

const body = (id: string, amount: number): string => JSON.stringify(order(id, amount));

export const look: Scenario[] = (["kv", "postgres"] as const).flatMap((ledger) => [
  scenario(`${ledger}-repeat`, "LOOK-3 LOOK-1", "a done event with the same body is acked", async (lab) => {
    const group = await lab.group({ ledger });
    const tap = await lab.tap(group);
    lab.join(group);
    await group.send({ eventId: "e.1", directive: "block;ms=1" });
    const row = await group.settled("e.1", "done");
    // Were it handled again, it would die.
    const second = await group.send({ eventId: "e.1", directive: "permanent" });
    await group.quiet();
    await tap.tells(second.seq, "ack 1");
    has("the row", await group.row("e.1"), { status: "done", sequence: row.sequence, at: row.at });
    same("dead letters", await group.deadLetters(), []);
    same("messages left", await group.left(), 0);
  }),

  scenario(`${ledger}-join`, "LOOK-10", "the sequence of a repeat joins the row, once", async (lab) => {
    const group = await lab.group({ ledger });
    const tap = await lab.tap(group);
    lab.join(group);
    const first = await group.send({ eventId: "e.1" });
    await group.settled("e.1", "done");
    const second = await group.send({ eventId: "e.1" });
    const third = await group.send({ eventId: "e.1" });
    await waitFor("both acks", () => tap.story(second.seq) !== "" && tap.story(third.seq) !== "");
    const row = await group.row("e.1");
    same("its sequence", row?.sequence, first.seq);
    same("the sequences that joined", new Set(row?.sequences), new Set([second.seq, third.seq]));
    same("how many", row?.sequences.length, 2);
  }),

  scenario(
    `${ledger}-join-limit`,
    "LOOK-10",
    "a row keeps 32 further sequences and counts the rest",
    async (lab) => {
      const group = await lab.group({ ledger, concurrency: 1 });
      lab.join(group);
      for (let n = 0; n < 36; n++) await group.send({ eventId: "e.1" });
      await group.quiet();
      const row = await group.row("e.1");
      same("sequences kept", row?.sequences.length, 32);
      same("sequences counted", row?.more, 3);
    },
  ),

  scenario(
    `${ledger}-conflict`,
    "LOOK-4 SETTLE-12 LEDGER-4 MSG-6",
    "a done event with another body dies as a conflict",
    async (lab) => {
      const group = await lab.group({ ledger });
      const tap = await lab.tap(group);
      lab.join(group);
      await group.send({ eventId: "c.1", body: body("c", 10) });
      const before = await group.settled("c.1", "done");
      const { seq } = await group.send({ eventId: "c.1", body: body("c", 11) });
      const [letter] = await group.died();
      await group.quiet();
      has("the dead letter", letter?.headers, {
        "Muster-Dlq-Reason": "conflict",
        "Muster-Dlq-Error-Class": "Conflict",
        "Muster-Dlq-Error": "event id was already settled with another body",
        "Muster-Dlq-Seq": String(seq),
      });
      same("its body", Buffer.from(letter?.body ?? []).toString(), body("c", 11));
      same("the row", await group.row("c.1"), before);
      same("the hash of the row", before.body_sha256, sha256Hex(Buffer.from(body("c", 10))));
      await tap.tells(seq, "term 1");
    },
  ),

  scenario(
    `${ledger}-finish`,
    "LOOK-5 DLQ-14",
    "a dead row without its dead letter is finished as the member that died left it",
    async (lab) => {
      const group = await lab.group({ ledger, ack_wait_ms: 2000 });
      const { seq } = await group.send({ eventId: "f.1", directive: "permanent;text=why" });
      const first = lab.join(group, { MUSTER_CONFORMANCE_KILL_AT: "row_dead" });
      await first.ended();
      same("dead letters before", await group.deadLetters(), []);
      lab.join(group);
      const letters = await group.died();
      await group.quiet();
      same("dead letters", letters.length, 1);
      // The row carried what the dead letter says: the member that failed it is the first, not the finisher.
      has("the dead letter", letters[0]?.headers, {
        "Muster-Dlq-Seq": String(seq),
        "Muster-Dlq-Reason": "permanent",
        "Muster-Dlq-Error": "why",
        "Muster-Dlq-Member": first.id,
      });
      same("its subject", letters[0]?.subject, `muster.dlq.${group.stream}.${group.group}.permanent`);
    },
  ),

  scenario(
    `${ledger}-corrected`,
    "LOOK-6 LEDGER-2",
    "a corrected message under the id of a dead one is done",
    async (lab) => {
      const group = await lab.group({ ledger });
      lab.join(group);
      const dead = await group.send({ eventId: "k.1", body: '{"id":"k"}' });
      same("the reason", (await group.settled("k.1", "dead")).reason, "invalid");
      const fixed = await group.send({ eventId: "k.1", body: body("k", 10) });
      const done = await group.settled("k.1", "done");
      same("the sequence", done.sequence, fixed.seq);
      same("the sequences before", done.sequences, [dead.seq]);
      await group.quiet();
      same("dead letters", (await group.deadLetters()).length, 1);
    },
  ),

  ...(["same", "other"] as const).map((kind) =>
    scenario(
      `${ledger}-older-${kind}`,
      kind === "same" ? "LOOK-7 LOOK-10" : "LOOK-8",
      kind === "same"
        ? "an older copy of an event that has died since is termed without a second dead letter"
        : "an older message of an event that has died since with another body is a conflict",
      async (lab) => {
        const group = await lab.group({ ledger });
        const tap = await lab.tap(group);
        // It waits in backoff while a later copy of its event dies.
        const older = await group.send({
          eventId: "e.1",
          body: body("e", kind === "same" ? 10 : 99),
          directive: "retryable;delay_ms=1500;times=1",
        });
        lab.join(group);
        await tap.tells(older.seq, "nak 1");
        await group.send({ eventId: "e.1", body: body("e", 10), directive: "permanent" });
        const row = await group.settled("e.1", "dead");
        await group.quiet();
        await tap.tells(older.seq, "nak 1, term 2");
        const reasons = (await group.deadLetters()).map(({ headers }) => headers["Muster-Dlq-Reason"]);
        same("the dead letters", reasons, kind === "same" ? ["permanent"] : ["permanent", "conflict"]);
        const joined = kind === "same" ? [older.seq] : [];
        same("the row", await group.row("e.1"), { ...row, sequences: joined });
      },
    ),
  ),

  scenario(
    `${ledger}-groups-apart`,
    "LEDGER-1",
    "two groups on one stream settle the same event each for itself",
    async (lab) => {
      const stream = `${ledger}-groups-apart`;
      const one = await lab.group({ stream, ledger, group: "one", retention: "limits" });
      const two = await lab.group({ stream, ledger, group: "two", retention: "limits" });
      const first = lab.join(one);
      await one.send({ eventId: "e.1" });
      has("the row of the first", await one.settled("e.1", "done"), { member: first.id });
      same("the row of the second, before it came", await two.row("e.1"), undefined);
      const second = lab.join(two);
      has("the row of the second", await two.settled("e.1", "done"), { member: second.id });
      await two.quiet();
      same("the second's row is its own", (await two.row("e.1"))?.sequences, []);
    },
  ),
]);
