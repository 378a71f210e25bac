import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PostgresServer } from "@muster/testkit";
import { postgresMissing, startPostgres, waitFor } from "@muster/testkit";
import { codeOf, message, TestDatabase, write } from "./postgres.ts";

const missing = postgresMissing();

describe.skipIf(missing !== undefined)(missing ?? "rows that are written together", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  /** A database that counts the statements which write rows; a read of the count counts none. */
  async function counting(): Promise<{ database: TestDatabase; statements: () => Promise<number> }> {
    const database = await TestDatabase.create(server);
    await database.sql(`
      create sequence statements;
      create function counted() returns trigger language plpgsql as
        $$ begin perform nextval('statements'); return null; end $$;
      create trigger counted after insert on muster_ledger for each statement execute function counted()`);
    const read = "select case when is_called then last_value else 0 end from statements";
    return { database, statements: async () => Number(await database.sql(read)) };
  }

  test("what ends in the same turn goes in statements of 100", async () => {
    const { database, statements } = await counting();
    await using _database = database;
    const ledger = database.ledger();
    const written = await Promise.all(Array.from({ length: 450 }, () => ledger.write(write(message()))));
    expect(written.every(Boolean)).toBe(true);
    expect(await statements()).toBe(5);
    expect(await database.sql("select count(*) from muster_ledger")).toBe("450");
  });

  test("what ends while three statements are under way gathers for the next", async () => {
    const { database, statements } = await counting();
    await using _database = database;
    const ledger = database.ledger();
    // The statements wait for this lock; the writes come one turn apart.
    const lock = database.ledger().transaction();
    await lock.query("lock table muster_ledger in exclusive mode");
    const writes: Promise<boolean>[] = [];
    for (let turn = 0; turn < 50; turn++) {
      writes.push(ledger.write(write(message())));
      await new Promise(setImmediate);
    }
    await waitFor("the statements to wait", async () => {
      const waiting =
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'insert%'";
      return (await database.sql(waiting)) === "3";
    });
    await lock.rollback();
    expect((await Promise.all(writes)).every(Boolean)).toBe(true);
    expect(await statements()).toBe(4);
  });

  test("each row has its own answer: those that are there already, and the second copy of an event", async () => {
    const { database } = await counting();
    await using _database = database;
    const ledger = database.ledger();
    const there = Array.from({ length: 5 }, () => message());
    await Promise.all(there.map((each) => ledger.write(write(each))));
    const twice = message();
    const fresh = Array.from({ length: 5 }, () => message());
    const all = there.flatMap((each, at) => [each, fresh[at] ?? twice]).concat(twice, twice);
    const written = await Promise.all(all.map((each) => ledger.write(write(each))));
    expect(written).toEqual([...there.flatMap(() => [false, true]), true, false]);
  });

  test("a row that somebody holds a lock on fails alone", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger({ ackWaitMs: () => 2000 });
    const held = message();
    const holder = database.ledger().transaction();
    await holder.query(
      `insert into muster_ledger (stream, grp, event_hash, status, event_id, body_sha256, sequence, store_time, member,
       language, at) values ('ORDERS', 'g', encode(sha256($1), 'hex'), 'done', '', '', 1, '1', '', 'ts', now())`,
      [Buffer.from(held.eventId)],
    );
    const others = Array.from({ length: 20 }, () => message());
    const codes = await Promise.all([...others, held].map((each) => codeOf(ledger.write(write(each)))));
    expect(codes).toEqual([...others.map(() => "resolved: true"), "unreachable"]);
    await holder.rollback();
  });

  test("a table that is locked fails all rows soon, not one after the other", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger({ ackWaitMs: () => 2000 });
    const holder = database.ledger().transaction();
    await holder.query("lock table muster_ledger in access exclusive mode");
    const startedAt = performance.now();
    const writes = Array.from({ length: 100 }, () => codeOf(ledger.write(write(message()))));
    expect(new Set(await Promise.all(writes))).toEqual(new Set(["unreachable"]));
    // Three times a quarter of ack_wait: the statement, and two rows apart.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    await holder.rollback();
    expect(await ledger.write(write(message()))).toBe(true);
  });
});
