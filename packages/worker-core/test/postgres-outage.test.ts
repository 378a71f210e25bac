import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PostgresServer } from "@muster/testkit";
import { postgresMissing, startPostgres, startProcess, stopProcess, waitFor } from "@muster/testkit";
import { codeOf, message, TestDatabase, write } from "./postgres.ts";

const missing = postgresMissing();

describe.skipIf(missing !== undefined)(missing ?? "a Postgres that fails", { timeout: 60_000 }, () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres({ settings: { max_connections: "40" } });
  });
  afterAll(() => server.stop());

  test("a server that is killed is unreachable until it is back; what was not committed is not there", async () => {
    await using killed = await startPostgres();
    await using database = await TestDatabase.create(killed);
    const ledger = database.ledger();
    const [committed, open, grouped] = [message(), message(), message()];
    await ledger.write(write(committed));
    const tx = ledger.transaction();
    await tx.query("insert into effects (event_id) values ($1)", [open.eventId]);
    const asleep = codeOf(ledger.transaction().query("select pg_sleep(60)"));
    await waitFor("the query to run", async () => {
      const asleepNow = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
      return (await database.sql(asleepNow)) === "1";
    });
    await killed.kill();
    expect(await asleep).toBe("unreachable");
    expect(await codeOf(ledger.write(write(open), tx))).toBe("unreachable");
    expect(await codeOf(ledger.write(write(grouped)))).toBe("unreachable");
    expect(await codeOf(ledger.writeAll([write(grouped)]))).toBe("unreachable");
    expect(await codeOf(ledger.lookUp(committed))).toBe("unreachable");
    expect(await codeOf(ledger.migrate())).toBe("unreachable");
    expect(await codeOf(ledger.transaction().query("select 1"))).toBe("unreachable");
    expect(await ledger.isReachable()).toBe(false);
    await killed.restart();
    expect(await ledger.isReachable()).toBe(true);
    expect(await ledger.lookUp(committed)).toMatchObject({ decision: "repeat" });
    expect(await ledger.lookUp(open)).toMatchObject({ decision: "run" });
    expect(await ledger.write(write(open))).toBe(true);
    expect(await database.effects()).toEqual([]);
  });

  test("a server that is killed under load loses nothing it confirmed, and nothing is there twice", async () => {
    await using killed = await startPostgres();
    await using database = await TestDatabase.create(killed);
    const ledger = database.ledger();
    const confirmed: string[] = [];
    const stop = new AbortController();
    const member = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const seen = message();
        try {
          const tx = ledger.transaction();
          await tx.query("insert into effects (event_id) values ($1)", [seen.eventId]);
          await ledger.write(write(seen), tx);
          confirmed.push(seen.eventId);
        } catch (error) {
          expect(error).toMatchObject({ code: "unreachable" });
        }
      }
    };
    const members = Promise.all(Array.from({ length: 20 }, member));
    await waitFor("some work", () => confirmed.length > 100, { timeoutMs: 25_000 });
    await killed.kill();
    stop.abort();
    await members;
    await killed.restart();
    const effects = await database.effects();
    expect(new Set(effects).size).toBe(effects.length);
    expect(effects).toEqual(expect.arrayContaining(confirmed));
    expect(await database.sql("select count(*) from muster_ledger")).toBe(String(effects.length));
  });

  test("a commit whose answer was lost is unreachable, and the next look-up finds its row", async () => {
    await using database = await TestDatabase.create(server);
    await using proxy = await cuttingProxy(server.port);
    const url = new URL(database.url);
    url.port = String(proxy.port);
    const ledger = database.ledger({ databaseUrl: url.href });
    const seen = message();
    const tx = ledger.transaction();
    await tx.query("insert into effects (event_id) values ($1)", [seen.eventId]);
    proxy.cutAfter("COMMIT");
    expect(await codeOf(ledger.write(write(seen), tx))).toBe("unreachable");
    expect(await ledger.lookUp(seen)).toMatchObject({ decision: "repeat" });
    expect(await database.effects()).toEqual([seen.eventId]);
  });

  test("a database that is read only is unreachable until it takes writes again", async () => {
    await using database = await TestDatabase.create(server);
    const name = new URL(database.url).pathname.slice(1);
    await database.sql(`alter database ${name} set default_transaction_read_only = on`);
    const ledger = database.ledger({ poolSize: 1 });
    const seen = message();
    expect(await codeOf(ledger.write(write(seen)))).toBe("unreachable");
    const tx = ledger.transaction();
    expect(await codeOf(tx.query("insert into effects (event_id) values ('x')"))).toBe("unreachable");
    expect(await codeOf(ledger.write(write(seen), tx))).toBe("unreachable");
    expect(await ledger.isReachable()).toBe(false);
    expect(await ledger.lookUp(seen)).toMatchObject({ decision: "run" });
    // Sessions keep what they began with: only new ones may write.
    await server.psql(`alter database ${name} set default_transaction_read_only = off`);
    await waitFor("a session that may write", () => ledger.isReachable());
    expect(await ledger.write(write(seen))).toBe(true);
    await ledger.transaction().query("insert into effects (event_id) values ('x')");
  });

  test("a disk that is full is unreachable, for rows and for effects, and shows when it is so no more", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    // A full disk cannot be had here; what the server says then can.
    await database.sql(`create function full_disk() returns trigger language plpgsql as
      $$ begin raise exception 'No space left on device' using errcode = '53100'; end $$;
      create trigger full_disk before insert on muster_ledger for each row execute function full_disk();
      create trigger full_disk before insert on effects for each row execute function full_disk()`);
    expect(await codeOf(ledger.write(write(message())))).toBe("unreachable");
    const tx = ledger.transaction();
    expect(await codeOf(tx.query("insert into effects (event_id) values ('x')"))).toBe("unreachable");
    await tx.rollback();
    expect(await ledger.isReachable()).toBe(false);
    await database.sql("drop trigger full_disk on muster_ledger");
    // Not on a connection that the failed try left in a transaction.
    expect(await ledger.write(write(message()))).toBe(true);
    expect(await ledger.isReachable()).toBe(true);
    expect(await database.sql("select count(*) from muster_ledger")).toBe("1");
  });

  test("a table that is gone is unreachable, not the handler's error", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    await database.sql("drop table muster_ledger");
    const tx = ledger.transaction();
    await tx.query("select 1");
    expect(await codeOf(ledger.write(write(message()), tx))).toBe("unreachable");
    expect(await codeOf(ledger.write(write(message())))).toBe("unreachable");
    expect(await codeOf(ledger.lookUp(message()))).toBe("unreachable");
  });

  test("a lock that is not had in time is unreachable, a statement that takes too long is the handler's", async () => {
    await using database = await TestDatabase.create(server);
    await database.sql("insert into effects (event_id) values ('locked')");
    const [holder, waiter] = [database.ledger(), database.ledger({ ackWaitMs: () => 1000 })];
    const held = holder.transaction();
    await held.query("update effects set member = 'holder'");
    const tx = waiter.transaction();
    expect(await codeOf(tx.query("update effects set member = 'waiter'"))).toBe("unreachable");
    await tx.rollback();
    await held.rollback();
    const slow = waiter.transaction();
    await expect(slow.query("select pg_sleep(10)")).rejects.toMatchObject({ code: "57014" });
    await slow.rollback();
  });

  test("two transactions that wait for each other: one is unreachable, and the handler cannot hide it", async () => {
    await using database = await TestDatabase.create(server);
    await database.sql("insert into effects (event_id) values ('a'), ('b')");
    const members = [database.ledger(), database.ledger()];
    const first = Promise.withResolvers<void>();
    let locked = 0;
    const codes = await Promise.all(
      members.map(async (ledger, at) => {
        const tx = ledger.transaction();
        const [mine, other] = at === 0 ? ["a", "b"] : ["b", "a"];
        await tx.query("update effects set member = 'x' where event_id = $1", [mine]);
        locked += 1;
        if (locked === members.length) {
          first.resolve();
        }
        await first.promise;
        await tx.query("update effects set member = 'x' where event_id = $1", [other]).catch(() => {});
        return codeOf(ledger.write(write(message()), tx));
      }),
    );
    expect(codes.toSorted()).toEqual(["resolved: true", "unreachable"]);
  });

  test("a member that is stopped frees its locks after ack_wait, and has no effect when it goes on", async () => {
    await using database = await TestDatabase.create(server);
    await database.sql("create table stock (left_over int); insert into stock values (1)");
    const seen = message();
    const argv = [
      process.execPath,
      join(import.meta.dirname, "postgres-member.ts"),
      database.url,
      seen.eventId,
    ];
    await using stopped = startProcess("member", argv);
    await stopped.waitForLine(/^locked$/);
    await stopProcess(stopped.pid);
    const ledger = database.ledger({ ackWaitMs: () => 1000 });
    const attempt = async (): Promise<boolean> => {
      const tx = ledger.transaction();
      try {
        await tx.query("update stock set left_over = left_over - 1");
        return await ledger.write(write(message({ eventId: seen.eventId, sequence: 1 })), tx);
      } finally {
        await tx.rollback();
      }
    };
    expect(await codeOf(attempt())).toBe("unreachable");
    await waitFor("the locks to be free", attempt);
    stopped.kill("SIGCONT");
    expect(await stopped.waitForLine(/^wrote/)).toBe("wrote: transaction_idle");
    expect(await database.sql("select left_over from stock")).toBe("0");
    expect((await stopped.exited).code).toBe(0);
  });

  test("a server that does not answer is unreachable after ack_wait, and its connection is not used again", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger({ workerId: "frozen", ackWaitMs: () => 1000 });
    const seen = message();
    await ledger.write(write(seen));
    const tx = ledger.transaction();
    await tx.query("select 1");
    const frozen = await sessionsOf(database, "frozen");
    for (const pid of frozen) await stopProcess(pid);
    try {
      expect(frozen.length).toBeGreaterThan(1);
      expect(await codeOf(tx.query("select 1"))).toBe("unreachable");
      expect(await codeOf(ledger.write(write(seen), tx))).toBe("unreachable");
      expect(await codeOf(ledger.lookUp(seen))).toBe("unreachable");
      expect(await ledger.lookUp(seen)).toMatchObject({ decision: "repeat" });
    } finally {
      frozen.forEach((pid) => process.kill(pid, "SIGCONT"));
    }
  });

  test("more handlers than connections wait for their turn", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger({ poolSize: 2 });
    const handled = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const tx = ledger.transaction();
        const seen = message();
        await tx.query("insert into effects (event_id) values ($1)", [seen.eventId]);
        return ledger.write(write(seen), tx);
      }),
    );
    expect(handled.every(Boolean)).toBe(true);
    expect(await database.effects()).toHaveLength(30);
  });

  test("a handler that gets no connection in ack_wait is unreachable; rows are still looked up and written", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger({ poolSize: 1, ackWaitMs: () => 1000 });
    const holder = ledger.transaction();
    await holder.query("select 1");
    const waiting = codeOf(ledger.transaction().query("select 1"));
    const seen = message();
    expect(await ledger.write(write(seen))).toBe(true);
    expect(await ledger.lookUp(seen)).toMatchObject({ decision: "repeat" });
    expect(await waiting).toBe("unreachable");
    await holder.rollback();
    // The place that comes free for the one who went away is not lost.
    for (const _turn of [1, 2, 3]) {
      const tx = ledger.transaction();
      await tx.query("select 1");
      await tx.rollback();
    }
  });

  test("a server without a free place is unreachable, and the places that there are serve all", async () => {
    await using small = await startPostgres({ settings: { max_connections: "12", max_wal_senders: "0" } });
    await using database = await TestDatabase.create(small);
    const ledger = database.ledger({ poolSize: 30 });
    const effect = async (eventId: string): Promise<void> => {
      const tx = ledger.transaction();
      try {
        await tx.query("insert into effects (event_id) values ($1)", [eventId]);
        await ledger.write(write(message({ eventId })), tx);
      } finally {
        await tx.rollback();
      }
    };
    const refused: string[] = [];
    await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        waitFor(`effect ${at}`, async () => {
          const code = await codeOf(effect(`e-${at}`));
          if (code !== "resolved: undefined") {
            refused.push(code);
          }
          return code === "resolved: undefined";
        }),
      ),
    );
    expect(new Set(refused)).toEqual(new Set(["unreachable"]));
    await ledger.close();
    expect(await database.sql("select count(distinct event_id), count(*) from effects")).toBe("40|40");
  });

  test("the close ends every connection: idle, with an open transaction, with a statement, of a server that is stopped", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger({ workerId: "closing", poolSize: 2, ackWaitMs: () => 10_000 });
    await ledger.write(write(message()));
    const [idle, busy] = [ledger.transaction(), ledger.transaction()];
    await Promise.all([idle, busy].map((tx) => tx.query("select 1")));
    const asleep = codeOf(busy.query("select pg_sleep(600)"));
    const waiting = codeOf(ledger.transaction().query("select 1"));
    const frozen = await sessionsOf(database, "closing");
    for (const pid of frozen) await stopProcess(pid);
    try {
      const startedAt = performance.now();
      await ledger.close();
      await ledger.close();
      expect(await asleep).toBe("unreachable");
      expect(await waiting).toBe("unreachable");
      expect(performance.now() - startedAt).toBeLessThan(5000);
    } finally {
      frozen.forEach((pid) => process.kill(pid, "SIGCONT"));
    }
    expect(await codeOf(ledger.write(write(message()), idle))).toBe("unreachable");
    expect(await codeOf(ledger.write(write(message())))).toBe("unreachable");
    expect(await codeOf(ledger.lookUp(message()))).toBe("unreachable");
    await idle.rollback();
    await waitFor("the sessions to end", async () => (await sessionsOf(database, "closing")).length === 0);
  });

  test("a process ends by itself when its ledger is closed", async () => {
    await using database = await TestDatabase.create(server);
    const code = `
      import { TestDatabase, message, write } from ${JSON.stringify(join(import.meta.dirname, "postgres.ts"))};
      import { PostgresLedger } from ${JSON.stringify(join(import.meta.dirname, "../src/ledger/postgres.ts"))};
      const log = { debug() {} };
      const options = { stream: "S", group: "g", workerId: "w", ackWaitMs: () => 30000, log };
      const ledger = new PostgresLedger({ databaseUrl: process.argv[1], ...options });
      const tx = ledger.transaction();
      await tx.query("select 1");
      await ledger.write(write(message()));
      await ledger.close();
      const left = process.getActiveResourcesInfo().filter((name) => /^(Timeout|Immediate|TCP)/.test(name));
      console.log("closed", JSON.stringify(left));`;
    await using child = startProcess("closing", [
      process.execPath,
      "--input-type=module",
      "-e",
      code,
      database.url,
    ]);
    expect(await child.waitForLine(/^closed/)).toBe("closed []");
    expect((await child.exited).code).toBe(0);
  });

  test("an idle connection that the server ends is replaced without a word", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger({ workerId: "idle" });
    const seen = message();
    await ledger.write(write(seen));
    const tx = ledger.transaction();
    await tx.query("select 1");
    await tx.rollback();
    await database.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name like '% idle'",
    );
    await waitFor("the sessions to end", async () => (await sessionsOf(database, "idle")).length === 0);
    await waitFor("the row", async () => (await codeOf(ledger.lookUp(seen))).includes("repeat"));
    await ledger.transaction().query("select 1");
  });

  async function sessionsOf(database: TestDatabase, workerId: string): Promise<number[]> {
    const pids = await database.sql(
      `select pid from pg_stat_activity where application_name = 'muster ORDERS.g ${workerId}'`,
    );
    return pids === "" ? [] : pids.split("\n").map(Number);
  }
});

/** Stands before a server and, when told to, cuts the connection before the answer that has a word in it. */
async function cuttingProxy(port: number) {
  let cut: string | undefined;
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    client.on("data", (data) => upstream.write(data));
    client.on("close", () => upstream.destroy());
    upstream.on("data", (data) => {
      const at = cut === undefined ? -1 : data.indexOf(cut);
      if (at === -1) {
        client.write(data);
        return;
      }
      cut = undefined;
      // A message has five bytes before its text.
      client.end(data.subarray(0, at - 5));
    });
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  return {
    port: (proxy.address() as AddressInfo).port,
    cutAfter(word: string) {
      cut = word;
    },
    async [Symbol.asyncDispose]() {
      sockets.forEach((socket) => socket.destroy());
      await once(proxy.close(), "close");
    },
  };
}
