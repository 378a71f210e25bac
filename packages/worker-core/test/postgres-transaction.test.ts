import { DatabaseError } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PostgresServer } from "@muster/testkit";
import { postgresMissing, startPostgres } from "@muster/testkit";
import type { Transaction } from "../src/ledger/ledger.ts";
import { codeOf, dead, done, message, TestDatabase, write } from "./postgres.ts";

const missing = postgresMissing();

describe.skipIf(missing !== undefined)(missing ?? "a handler's transaction", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  const effect = (tx: Transaction, eventId: string) =>
    tx.query("insert into effects (event_id) values ($1)", [eventId]);

  test("the effect and the row are there together, and not before", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const seen = message();
    const tx = ledger.transaction();
    expect(tx.isOpen).toBe(false);
    await effect(tx, seen.eventId);
    expect(tx.isOpen).toBe(true);
    expect(await database.effects()).toEqual([]);
    expect(await ledger.write(write(seen), tx)).toBe(true);
    expect(tx.isOpen).toBe(false);
    expect(await database.effects()).toEqual([seen.eventId]);
    expect(await ledger.lookUp(seen)).toMatchObject({ decision: "repeat", row: done });
  });

  test("a query gives rows, as typed as the caller says", async () => {
    await using database = await TestDatabase.create(server);
    const tx = database.ledger().transaction();
    const rows = await tx.query<{ sum: number }>("select $1::int + 1 as sum", [41]);
    expect(rows).toEqual([{ sum: 42 }]);
    await tx.rollback();
  });

  test("what is rolled back is not there, and may be rolled back again", async () => {
    await using database = await TestDatabase.create(server);
    const tx = database.ledger().transaction();
    await effect(tx, "undone");
    await tx.rollback();
    await tx.rollback();
    expect(tx.isOpen).toBe(false);
    expect(await database.effects()).toEqual([]);
  });

  test("of two members with the same event only one has an effect", async () => {
    await using database = await TestDatabase.create(server);
    const members = [database.ledger(), database.ledger()];
    for (let round = 0; round < 20; round++) {
      const seen = message();
      const written = await Promise.all(
        members.map(async (ledger) => {
          const tx = ledger.transaction();
          await effect(tx, seen.eventId);
          return ledger.write(write(seen), tx);
        }),
      );
      expect(written.filter(Boolean)).toHaveLength(1);
    }
    expect(new Set(await database.effects()).size).toBe(20);
    expect(await database.effects()).toHaveLength(20);
  });

  test("a replayed event overwrites its dead row together with the effect, and not a row that has changed", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const first = message({ sequence: 1 });
    await ledger.write(write(first, dead));
    const replay = message({ eventId: first.eventId, sequence: 2 });
    const found = await ledger.lookUp(replay);
    const attempt = async () => {
      const tx = ledger.transaction();
      await effect(tx, replay.eventId);
      return ledger.write(write(replay, done, found), tx);
    };
    expect(await attempt()).toBe(true);
    expect(await attempt()).toBe(false);
    expect(await database.effects()).toEqual([replay.eventId]);
  });

  test("a batch commits the effects of all its messages with all rows, or none", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const seen = [message(), message(), message()];
    const [, second] = seen;
    await ledger.write(write(second ?? message()));
    const attempt = async (some: typeof seen) => {
      const tx = ledger.transaction();
      await Promise.all(some.map((each) => effect(tx, each.eventId)));
      return ledger.writeAll(
        some.map((each) => write(each)),
        tx,
      );
    };
    expect(await attempt(seen)).toEqual([true, false, true]);
    expect(await database.effects()).toEqual([]);
    expect(await attempt(seen.filter((each) => each !== second))).toEqual([true, true]);
    expect(await database.effects()).toHaveLength(2);
  });

  test("a handler that never touches it needs no connection for it", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger({ poolSize: 1 });
    const taken = ledger.transaction();
    await taken.query("select 1");
    const tx = ledger.transaction();
    expect(await ledger.write(write(message()), tx)).toBe(true);
    expect(await codeOf(tx.query("select 1"))).toBe("transaction_ended");
    await taken.rollback();
  });

  test("queries that start at the same time share one transaction", async () => {
    await using database = await TestDatabase.create(server);
    const tx = database.ledger().transaction();
    const rows = await Promise.all([1, 2, 3].map(() => tx.query("select pg_current_xact_id()::text as id")));
    expect(new Set(rows.flat().map(({ id }) => id)).size).toBe(1);
    await tx.rollback();
  });

  test("a query that its handler did not wait for is committed too", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const seen = message();
    const tx = ledger.transaction();
    const late = effect(tx, seen.eventId);
    expect(await ledger.write(write(seen), tx)).toBe(true);
    await late;
    expect(await database.effects()).toEqual([seen.eventId]);
  });

  test("what the database says of a statement is the handler's to see", async () => {
    await using database = await TestDatabase.create(server);
    const tx = database.ledger().transaction();
    const error: unknown = await tx.query("select nonsense").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DatabaseError);
    expect(error).toMatchObject({ code: "42703" });
    await tx.rollback();
  });

  test("a handler that minds no failed statement has not succeeded", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const seen = message();
    const tx = ledger.transaction();
    await effect(tx, seen.eventId);
    await tx.query("select 1 / 0").catch(() => {});
    await tx.query("select 1").catch(() => {});
    const error: unknown = await ledger.write(write(seen), tx).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "transaction_failed", cause: { code: "22012" } });
    expect(await database.effects()).toEqual([]);
    expect((await ledger.lookUp(seen)).row).toBeUndefined();
  });

  test("a savepoint undoes a part of it", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const seen = message();
    const tx = ledger.transaction();
    await effect(tx, seen.eventId);
    await tx.query("savepoint try");
    await tx.query("select 1 / 0").catch(() => {});
    await tx.query("rollback to savepoint try");
    expect(await ledger.write(write(seen), tx)).toBe(true);
    expect(await database.effects()).toEqual([seen.eventId]);
  });

  test("a constraint that is checked at the commit is the handler's, and leaves no row", async () => {
    await using database = await TestDatabase.create(server);
    await database.sql(`create table orders (id text primary key);
      create table lines (id text references orders deferrable initially deferred)`);
    const ledger = database.ledger();
    const seen = message();
    const tx = ledger.transaction();
    await tx.query("insert into lines values ('none')");
    const error: unknown = await ledger.write(write(seen), tx).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "23503" });
    expect(error).toBeInstanceOf(DatabaseError);
    expect((await ledger.lookUp(seen)).row).toBeUndefined();
  });

  test.each(["commit", " ROLLBACK", "begin", "start transaction", "end", "abort", "prepare transaction 'x'"])(
    "the handler may not end it: %s",
    async (statement) => {
      await using database = await TestDatabase.create(server);
      const ledger = database.ledger();
      const seen = message();
      const tx = ledger.transaction();
      await effect(tx, seen.eventId);
      expect(await codeOf(tx.query(statement))).toBe("transaction_control");
      expect(await ledger.write(write(seen), tx)).toBe(true);
    },
  );

  test("a handler that ends it by a trick is told so, and its row is not written", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const seen = message();
    const tx = ledger.transaction();
    await tx.query("/* trick */ rollback");
    expect(await codeOf(ledger.write(write(seen), tx))).toBe("transaction_control");
    expect((await ledger.lookUp(seen)).row).toBeUndefined();
  });

  test("it is not used after its end, and cannot reach the next one's connection", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger({ poolSize: 1 });
    const seen = message();
    const tx = ledger.transaction();
    await effect(tx, seen.eventId);
    await ledger.write(write(seen), tx);
    const next = ledger.transaction();
    await next.query("select 1");
    expect(await codeOf(effect(tx, "late"))).toBe("transaction_ended");
    await next.rollback();
    expect(await database.effects()).toEqual([seen.eventId]);
  });

  test("statements, locks and idle transactions are bounded by the group's ack_wait, as it is now", async () => {
    await using database = await TestDatabase.create(server);
    let ackWaitMs = 8000;
    const ledger = database.ledger({ workerId: "w-7", ackWaitMs: () => ackWaitMs, poolSize: 1 });
    const shown = async () => {
      const tx = ledger.transaction();
      const [row] = await tx.query(`select current_setting('idle_in_transaction_session_timeout') as idle,
        current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
        current_setting('application_name') as name`);
      await tx.rollback();
      return row;
    };
    const name = "muster ORDERS.g w-7";
    expect(await shown()).toEqual({ idle: "8s", statement: "4s", lock: "2s", name });
    ackWaitMs = 2000;
    expect(await shown()).toEqual({ idle: "2s", statement: "1s", lock: "500ms", name });
  });
});
