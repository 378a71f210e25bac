// The ledger in Postgres: row and effect in one transaction.
import { waitFor } from "../lab/wait.ts";
import { has, same } from "../expect.ts";
import type { Group } from "../lab/group.ts";
import type { Database } from "../lab/database.ts";
import type { Lab } from "../lab/lab.ts";
import { holdRow, waitsForLock } from "../lab/locks.ts";
import { order } from "../lab/publish.ts";
import { type Scenario, scenario } from "../scenario.ts";

const ledger = "postgres" as const;

export const ledgerPostgres: Scenario[] = [
  scenario("pg-effect", "PG-1 CONF-11", "row and effect are there, each once", async (lab) => {
    const { group, database } = await open(lab);
    const member = lab.join(group);
    const { seq } = await group.send({ eventId: "pg-effect", directive: "sql" });
    has("the row", await group.settled("pg-effect", "done"), { sequence: seq, member: member.id });
    same("the effect", await database.effects("pg-effect"), [member.id]);
    await group.quiet();
    // A repeat makes no second one.
    await group.send({ eventId: "pg-effect", directive: "sql" });
    await group.quiet();
    same("the effect after a repeat", await database.effects("pg-effect"), [member.id]);
  }),

  scenario("pg-balance", "CONF-15 PG-1", "each event adds to the balance once", async (lab) => {
    const { group, database } = await open(lab);
    lab.join(group);
    const send = (eventId: string, directive: string, amount: number) =>
      group.send({
        eventId,
        directive: `${directive};balance=1`,
        body: JSON.stringify({ ...order(eventId, amount), customer: "pg-balance" }),
      });
    await send("b.1", "return", 10.25);
    await send("b.2", "retryable;times=1", 20);
    await send("b.3", "permanent", 400);
    await group.died();
    await send("b.1", "return", 10.25);
    await group.settled("b.2", "done");
    await group.quiet();
    same("the balance", await database.balance("pg-balance"), 30.25);
  }),

  scenario("pg-order", "SETTLE-1 PG-1", "the effect is committed before the ack", async (lab) => {
    const { group, database } = await open(lab, { ack_wait_ms: 2000 });
    const first = lab.join(group, { MUSTER_CONFORMANCE_KILL_AT: "row_done" });
    const tap = await lab.tap(group);
    const { seq } = await group.send({ eventId: "pg-order", directive: "sql" });
    await first.ended();
    await lab.nc.flush();
    same("what was said before the kill", tap.story(seq), "");
    same("the effect", await database.effects("pg-order"), [first.id]);
    lab.join(group);
    await group.quiet();
    await tap.tells(seq, "ack 2");
    same("the effect at the end", await database.effects("pg-order"), [first.id]);
  }),

  scenario(
    "pg-received",
    "PG-1",
    "a kill before the handler leaves no effect, the next member makes it",
    async (lab) => {
      const { group, database } = await open(lab, { ack_wait_ms: 2000 });
      await group.send({ eventId: "pg-received", directive: "sql" });
      await lab.join(group, { MUSTER_CONFORMANCE_KILL_AT: "received" }).ended();
      same("the effect", await database.effects("pg-received"), []);
      const second = lab.join(group);
      await group.settled("pg-received", "done");
      same("the effect at the end", await database.effects("pg-received"), [second.id]);
    },
  ),

  scenario(
    "pg-without-transaction",
    "PG-4",
    "a handler that does not touch the transaction has its row",
    async (lab) => {
      const { group } = await open(lab);
      const tap = await lab.tap(group);
      lab.join(group);
      const seqs: number[] = [];
      for (let n = 0; n < 20; n++) seqs.push((await group.send({ eventId: `e.${n}` })).seq);
      for (const n of seqs.keys())
        has("its row", await group.settled(`e.${n}`, "done"), { sequence: seqs[n] });
      await group.quiet();
      for (const seq of seqs) await tap.tells(seq, "ack 1");
    },
  ),

  scenario(
    "pg-rollback",
    "PG-3",
    "an effect whose event turns out to be done is rolled back",
    async (lab) => {
      const { group, database } = await open(lab);
      const member = lab.join(group);
      await member.joined();
      // Somebody has the row and has not committed: the member's own row waits for it, effect in hand.
      const row = await holdRow(database, group, "pg-rollback");
      const tap = await lab.tap(group);
      const { seq } = await group.send({ eventId: "pg-rollback", directive: "sql" });
      await waitsForLock(database, member.id);
      await row.commit();
      await waitFor("the end", () => tap.story(seq) !== "");
      same("the effect", await database.effects("pg-rollback"), []);
      has("the row is the other's", await group.row("pg-rollback"), { member: "somebody" });
    },
  ),

  scenario("pg-dead", "PG-9 SETTLE-10", "a death has its row before its dead letter", async (lab) => {
    const { group } = await open(lab, { ack_wait_ms: 2000 });
    const first = lab.join(group, { MUSTER_CONFORMANCE_KILL_AT: "row_dead" });
    await group.send({ eventId: "pg-dead", directive: "permanent;text=no" });
    await first.ended();
    const row = await group.row("pg-dead");
    has("the row", row, { status: "dead", reason: "permanent", member: first.id });
    same("dead letters", await group.deadLetters(), []);
    lab.join(group);
    const [letter] = await group.died();
    same("its headers are those of the row", letter?.headers, row?.headers);
  }),

  scenario("pg-retry", "PG-5", "a failed attempt leaves neither row nor effect", async (lab) => {
    const { group, database } = await open(lab);
    const tap = await lab.tap(group);
    lab.join(group);
    const { seq } = await group.send({ eventId: "pg-retry", directive: "retryable;times=1" });
    await waitFor("the nak", () => tap.story(seq).startsWith("nak 1"));
    await group.settled("pg-retry", "done");
    await group.quiet();
    await tap.tells(seq, "nak 1, ack 2");
    same("effects", await database.effects("pg-retry"), []);
  }),

  scenario(
    "pg-text",
    "PG-11 MSG-2",
    "an event id of quotes and backslashes is kept as it is",
    async (lab) => {
      const { group } = await open(lab);
      lab.join(group);
      const id = `a"b\\c'd\\u0000 {e}`;
      await group.send({ eventId: id, body: JSON.stringify(order("x")) });
      has("the row", await group.settled(id, "done"), { event_id: id, result: { event_id: id } });
    },
  ),
];

async function open(
  lab: Lab,
  options: { ack_wait_ms?: number } = {},
): Promise<{ group: Group; database: Database }> {
  const database = await lab.database();
  return { database, group: await lab.group({ ledger, database, ...options }) };
}
