// A database that is locked, away, read only, or made by somebody else: no attempt, and no effect twice.
import { buckets, groupKey } from "@muster/contracts";
import { bucketOf } from "../lab/bucket.ts";
import { waitFor } from "../lab/wait.ts";
import { has, holds, same } from "../expect.ts";
import type { Group } from "../lab/group.ts";
import type { Database } from "../lab/database.ts";
import type { Lab } from "../lab/lab.ts";
import { holdRow, waitsForLock } from "../lab/locks.ts";
import { type Scenario, scenario } from "../scenario.ts";

const ledger = "postgres" as const;

export const postgresMoods: Scenario[] = [
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
      await first.stop();
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

  scenario(
    "pg-idle",
    "PG-7 PG-6",
    "a handler that leaves its transaction idle for longer than ack_wait has failed, and ends dead",
    async (lab) => {
      const database = await lab.ownDatabase();
      const retry = { max_attempts: 2, backoff_ms: [100] };
      const group = await lab.group({ ledger, database, ack_wait_ms: 1000, timeout_ms: 20_000, retry });
      lab.join(group);
      // It does not mind the first error, and the next one says only that the connection is closed.
      await group.send({ eventId: "pg-idle", directive: "sql;ms=2500;again=2" });
      has("its row", await group.settled("pg-idle", "dead"), { status: "dead", reason: "exhausted" });
      const [letter] = await group.deadLetters();
      has("its dead letter", letter?.headers, { "Muster-Dlq-Attempts": "2" });
      same("its effects", await database.effects("pg-idle"), []);
    },
  ),

  scenario(
    "pg-open-slow",
    "MEMBER-2 PG-2",
    "a ledger that is slow to open does not let the heartbeat expire",
    async (lab) => {
      const database = await lab.ownDatabase();
      const group = await lab.group({ ledger, database });
      await (await bucketOf(lab.nc, buckets.groups)).delete(groupKey(group.stream, group.group));
      const member = lab.join(group);
      await member.joined();
      const session = await database.session();
      await session.query("begin; select pg_advisory_xact_lock(hashtext('muster_migrations'))");
      await group.change({});
      await waitsForLock(database, member.id);
      await member.beats(3);
      await session.query("commit");
      await session.end();
      await group.send({ eventId: "pg-open-slow" });
      await group.settled("pg-open-slow", "done");
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
];

async function open(
  lab: Lab,
  options: { ack_wait_ms?: number } = {},
): Promise<{ group: Group; database: Database }> {
  const database = await lab.database();
  return { database, group: await lab.group({ ledger, database, ...options }) };
}

async function setReadOnly(database: Database, on: boolean): Promise<void> {
  await database.query(`alter database muster set default_transaction_read_only = ${on ? "on" : "off"}`);
  await database.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'muster %'",
  );
}
