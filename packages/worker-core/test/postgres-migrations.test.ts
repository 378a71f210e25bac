import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PostgresServer } from "@muster/testkit";
import { postgresMissing, startPostgres } from "@muster/testkit";
import { readMigrations } from "../src/ledger/postgres-migrations.ts";
import { createLog } from "../src/log.ts";
import { PostgresLedger } from "../src/ledger/postgres.ts";
import { codeOf, group, message, write } from "./postgres.ts";

const missing = postgresMissing();

describe.skipIf(missing !== undefined)(missing ?? "migrations", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
    await server.psql("create role worker login");
  });
  afterAll(() => server.stop());

  /** An empty database, and ledgers on it: of its owner, and of a role that may only use what it was granted. */
  async function empty() {
    const name = `db_${randomUUID().replaceAll("-", "")}`;
    await server.psql(`create database ${name}`);
    const url = new URL(server.url);
    url.pathname = name;
    const owner = url.href;
    url.username = "worker";
    const ledgers: PostgresLedger[] = [];
    return {
      sql: (text: string) => server.psql(text, owner),
      ledger(as: "owner" | "worker" = "owner") {
        const databaseUrl = as === "owner" ? owner : url.href;
        const log = createLog({ ...group, workerId: "w", logLevel: "error" });
        const options = { databaseUrl, ...group, workerId: "w", ackWaitMs: () => 30_000, log };
        const ledger = new PostgresLedger(options);
        ledgers.push(ledger);
        return ledger;
      },
      async [Symbol.asyncDispose]() {
        await Promise.all(ledgers.map((ledger) => ledger.close()));
      },
    };
  }

  test("members that start at the same time apply each file once, and record it with its hash", async () => {
    await using database = await empty();
    await Promise.all([1, 2, 3, 4].map(() => database.ledger().migrate()));
    const known = await readMigrations();
    expect(known.map(({ name }) => name)).toContain("0001_ledger.sql");
    expect(await database.sql("select name, sha256 from muster_migrations order by 1")).toBe(
      known.map(({ name, sha256 }) => `${name}|${sha256}`).join("\n"),
    );
    expect(await database.ledger().write(write(message()))).toBe(true);
  });

  test("a member without the right to make tables starts when all are there", async () => {
    await using database = await empty();
    await database.ledger().migrate();
    await database.sql(`grant select on muster_migrations to worker;
      grant select, insert, update on muster_ledger to worker`);
    const ledger = database.ledger("worker");
    await ledger.migrate();
    expect(await ledger.write(write(message()))).toBe(true);
    expect(await ledger.isReachable()).toBe(true);
  });

  test("a member without that right is told what is missing and what to do", async () => {
    await using database = await empty();
    const error = database.ledger("worker").migrate();
    await expect(error).rejects.toMatchObject({ code: "ledger_schema" });
    await expect(error).rejects.toThrow(
      /^0001_ledger\.sql: permission denied .*; apply packages\/contracts\/migrations/,
    );
  });

  test("a member that may not read what was applied is told so", async () => {
    await using database = await empty();
    await database.ledger().migrate();
    await expect(database.ledger("worker").migrate()).rejects.toThrow(
      /^muster_migrations: permission denied .*grant select/,
    );
  });

  test("a file that was changed after it was applied is refused", async () => {
    await using database = await empty();
    await database.ledger().migrate();
    await database.sql("update muster_migrations set sha256 = 'another'");
    const error = database.ledger().migrate();
    await expect(error).rejects.toMatchObject({ code: "ledger_schema" });
    await expect(error).rejects.toThrow("0001_ledger.sql");
  });

  test("a file of a newer member is no error", async () => {
    await using database = await empty();
    await database.ledger().migrate();
    await database.sql("insert into muster_migrations values ('0009_later.sql', 'x')");
    await database.ledger().migrate();
  });

  test("tables that somebody else made under these names are left alone", async () => {
    await using database = await empty();
    await database.sql("create table muster_ledger (mine text)");
    expect(await codeOf(database.ledger().migrate())).toBe("ledger_schema");
    expect(await database.sql("select to_regclass('muster_migrations') is null")).toBe("t");
    await database.sql("select mine from muster_ledger");
  });

  test("a database that is read only, or not there, is unreachable", async () => {
    await using database = await empty();
    await database.sql(
      "do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$",
    );
    expect(await codeOf(database.ledger().migrate())).toBe("unreachable");
    const url = new URL(server.url);
    url.pathname = "nowhere";
    const log = createLog({ ...group, workerId: "w", logLevel: "error" });
    const options = { ...group, workerId: "w", ackWaitMs: () => 30_000, log };
    const nowhere = new PostgresLedger({ ...options, databaseUrl: url.href });
    expect(await codeOf(nowhere.migrate())).toBe("unreachable");
    await nowhere.close();
  });

  test.each([
    "",
    "nonsense",
    "postgres://user:secret@host:port/db",
    "postgres://user:secret@host/db?sslcert=/nowhere",
  ])("a URL that is none is refused without telling it: %s", (databaseUrl) => {
    const log = createLog({ ...group, workerId: "w", logLevel: "error" });
    const make = () => new PostgresLedger({ databaseUrl, ...group, workerId: "w", ackWaitMs: () => 1, log });
    expect(make).toThrow(/^DATABASE_URL: is no database URL/);
    expect(make).not.toThrow(/secret/);
  });
});
