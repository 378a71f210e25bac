// The ledger in Postgres: row and effect in one transaction, and a database in every mood.
import { sha256Hex } from "@muster/contracts";
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import type { Group } from "../lab/group.ts";
import type { Database } from "../lab/database.ts";
import type { Lab } from "../lab/lab.ts";
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

  scenario("pg-lock", "PG-7 PG-6", "a lock that is not to be had is no attempt", async (lab) => {
    const { group, database } = await open(lab);
    const tap = await lab.tap(group);
    const member = lab.join(group);
    await member.joined();
    const row = await holdRow(database, group, "pg-lock");
    const { seq } = await group.send({ eventId: "pg-lock", directive: "sql" });
    await waitFor("the nak", () => tap.story(seq).startsWith("nak 1"));
    same("the attempts record", await group.attempts(seq), undefined);
    await row.rollback();
    await group.settled("pg-lock", "done");
    same("the effect", await database.effects("pg-lock"), [member.id]);
  }),

  scenario(
    "pg-restart",
    "PG-7 DEGRADED-1",
    "a database that is restarted under load: no attempt, each effect once",
    async (lab) => {
      const database = await lab.ownDatabase();
      const group = await lab.group({ ledger, database });
      const member = lab.join(group);
      await member.joined();
      const ids = Array.from({ length: 30 }, (_, n) => `r.${n}`);
      for (const eventId of ids.slice(0, 15)) await group.send({ eventId, directive: "sql" });
      await database.server.kill();
      for (const eventId of ids.slice(15)) await group.send({ eventId, directive: "sql" });
      await member.said(/"degraded"/);
      await database.server.restart();
      await member.said(/"recovered"/);
      await group.quiet();
      for (const eventId of ids) {
        same(`effects of ${eventId}`, await database.effects(eventId), [member.id]);
        has(`the row of ${eventId}`, await group.row(eventId), { status: "done" });
      }
      for (let seq = 1; seq <= ids.length; seq++)
        same("an attempts record", await group.attempts(seq), undefined);
    },
  ),

  scenario(
    "pg-read-only",
    "PG-7 DEGRADED-1",
    "a database that takes no writes: the message waits, uncounted",
    async (lab) => {
      const database = await lab.ownDatabase();
      const group = await lab.group({ ledger, database });
      const tap = await lab.tap(group);
      const member = lab.join(group);
      await group.send({ eventId: "before", directive: "sql" });
      await group.settled("before", "done");
      await setReadOnly(database, true);
      const { seq } = await group.send({ eventId: "during", directive: "sql" });
      await member.said(/"degraded"/);
      await tap.tells(seq, "nak 1");
      same("the attempts record", await group.attempts(seq), undefined);
      await setReadOnly(database, false);
      await group.settled("during", "done");

      same("its effect", await database.effects("during"), [member.id]);
    },
  ),

  scenario(
    "pg-stalled",
    "PG-6",
    "a member that is stopped in a transaction frees the others",
    async (lab) => {
      const database = await lab.ownDatabase();
      // So that the effect of one transaction stands in the way of another's.
      await database.query("create unique index on muster_conformance_effects (event_id)");
      const group = await lab.group({ ledger, database, ack_wait_ms: 3000 });
      const first = lab.join(group);
      await first.joined();
      const session = await database.session();
      await session.query("begin");
      await session.query("lock table muster_conformance_effects in exclusive mode");
      await group.send({ eventId: "s.1", directive: "sql" });
      await waitsForLock(database, first.id);
      // Its effect goes in when the table is free, but its row and its commit do not come.
      first.signal("SIGSTOP");
      await session.query("commit");
      await session.end();
      const second = lab.join(group);
      has("the row", await group.settled("s.1", "done"), { member: second.id });
      same("the effect", await database.effects("s.1"), [second.id]);
      first.signal("SIGCONT");
      await group.quiet();
      same("the effect when the first is back", await database.effects("s.1"), [second.id]);
    },
  ),

  scenario("pg-sessions", "PG-6", "its sessions carry stream, group and member", async (lab) => {
    const { group, database } = await open(lab);
    const member = lab.join(group);
    await group.send({ eventId: "pg-sessions", directive: "sql" });
    await group.settled("pg-sessions", "done");
    const name = `muster ${group.stream}.${group.group} ${member.id}`;
    const sessions = await database.query("select 1 from pg_stat_activity where application_name = $1", [
      // Postgres cuts names to 63 bytes.
      name.slice(0, 63),
    ]);
    holds(`sessions named ${name}`, sessions.length > 0);
  }),

  scenario("pg-migrations", "PG-2", "the tables are made by the first member, and recorded", async (lab) => {
    const database = await lab.ownDatabase();
    const group = await lab.group({ ledger, database });
    lab.join(group);
    lab.join(group);
    await group.send({ eventId: "m.1" });
    await group.settled("m.1", "done");
    const applied = await database.query("select name, sha256 from muster_migrations order by name");
    has("the first of them", applied[0], { name: "0001_ledger.sql" });
    holds("with its hash", /^[0-9a-f]{64}$/.test(String(applied[0]?.["sha256"])), applied);
  }),

  scenario(
    "pg-migration-changed",
    "PG-2",
    "tables made by another file under the same name: starting",
    async (lab) => {
      const database = await lab.ownDatabase();
      const group = await lab.group({ ledger, database });
      const first = lab.join(group);
      await first.joined();
      first.signal("SIGTERM");
      await first.ended();
      await database.query("update muster_migrations set sha256 = $1", ["0".repeat(64)]);
      await group.send({ eventId: "m.1" });
      const second = lab.join(group);
      await second.said(/"ledger_schema"/);
      await second.recorded("starting", ({ state }) => state === "starting");
      same("the row", await group.row("m.1"), undefined);
    },
  ),

  scenario(
    "pg-migration-newer",
    "PG-2",
    "a migration that it does not know is a newer member's",
    async (lab) => {
      const database = await lab.ownDatabase();
      const group = await lab.group({ ledger, database });
      const first = lab.join(group);
      await first.joined();
      first.signal("SIGTERM");
      await first.ended();
      await database.query("insert into muster_migrations (name, sha256) values ('9999_later.sql', $1)", [
        "f".repeat(64),
      ]);
      lab.join(group);
      await group.send({ eventId: "m.1" });
      await group.settled("m.1", "done");
    },
  ),

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

/** Makes the done row of an event in a transaction that stays open. */
async function holdRow(database: Database, group: Group, eventId: string) {
  const session = await database.session();
  await session.query("begin");
  await session.query(insertRow, [group.stream, group.group, sha256Hex(eventId), eventId]);
  const end = async (how: "commit" | "rollback"): Promise<void> => {
    await session.query(how);
    await session.end();
  };
  return { commit: () => end("commit"), rollback: () => end("rollback") };
}

const insertRow = `
  insert into muster_ledger
    (stream, grp, event_hash, status, event_id, body_sha256, sequence, store_time, member, language, at)
  values ($1, $2, $3, 'done', $4, repeat('0', 64), 1, '1', 'somebody', 'ts', now())`;

/** Waits until a statement of the member waits for somebody's lock. */
async function waitsForLock(database: Database, member: string): Promise<void> {
  const sql = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name like $1`;
  await waitFor(
    `${member} to wait for a lock`,
    async () => {
      return (await database.query(sql, [`muster %${member}`])).length > 0;
    },
    { everyMs: 10 },
  );
}

async function setReadOnly(database: Database, on: boolean): Promise<void> {
  await database.query(`alter database muster set default_transaction_read_only = ${on ? "on" : "off"}`);
  await database.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'muster %'",
  );
}
