import { type PostgresServer, postgresMissing, startPostgres, waitFor } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Database } from "../src/ledger/database.ts";
import { createLog } from "../src/log.ts";
import { toMsgHdrs } from "../src/nats/headers.ts";
import { putDead, waitForJob } from "./jobs-system.ts";
import { order, refusalOf, specOf, startPlane, startSystem, startWorker } from "./system.ts";

const skipped = postgresMissing();
const group = { stream: "ORDERS", group: "billing" };

describe.skipIf(skipped !== undefined)(`a ledger in Postgres ${skipped ?? ""}`, () => {
  let system: Awaited<ReturnType<typeof startSystem>>;
  let postgres: PostgresServer;
  let plane: Awaited<ReturnType<typeof startPlane>>;

  beforeAll(async () => {
    [system, postgres] = await Promise.all([startSystem(), startPostgres()]);
    plane = await startPlane(system.server.url, postgres.url);
  });
  afterAll(async () => {
    await plane.close();
    await system[Symbol.asyncDispose]();
    await postgres.stop();
  });

  const verify = () => plane.client.verify.query(group);
  const publish = (eventId: string, amount = 10, copy = "1") =>
    system.nats.js.publish("orders.created", JSON.stringify(order(eventId, amount)), {
      headers: toMsgHdrs({ "Muster-Event-Id": eventId, "Nats-Msg-Id": `${eventId} ${copy}` }),
    });
  const counts = async () => (await plane.client.groups.get.query(group)).counts;
  const urlAs = (user: string) => postgres.url.replace("muster@", `${user}@`);

  test("is not there before the first member: said so", async () => {
    await plane.client.groups.apply.mutate({ spec: specOf({ ledger: "postgres" }) });
    const { code, message } = await refusalOf(verify());
    expect([code, message.includes("a member of the group makes its tables")]).toEqual([
      "ledger_schema",
      true,
    ]);
  });

  test("closes the account by the rows that members write there", async () => {
    await using worker = await startWorker(system.server.url, specOf(), { DATABASE_URL: postgres.url });
    for (const id of ["a.created", "b.created", 'quo"te \\ x']) await publish(id);
    await publish("negative", -1);
    await waitFor("all to be settled", async () => {
      const { done, dead } = await counts();
      return done === 3 && dead === 1;
    });
    await publish("b.created", 10, "2");
    await waitFor("the repeat", async () => (await counts()).repeat === 1);
    await publish("waits");
    worker.kill("SIGTERM");
    await worker.exited;
    const account = await verify();
    expect(account).toMatchObject({ ok: true, lost: [], looks: 1 });
    expect(account).not.toHaveProperty("no_account");
    const { accepted, done, dead, waiting, repeats } = account.terms;
    expect(accepted).toBe(5);
    expect(dead).toBe(1);
    expect(done + waiting).toBe(4);
    expect(repeats).toBe(1);
  });

  test("tells what became of an order, and since when a dead letter's event is done", async () => {
    const { client } = plane;
    const { events } = await client.orders.get.query({ ...group, id: "a" });
    expect(events[0]).toMatchObject({ status: "done", language: "ts", result: { order_id: "a.created" } });
    expect(events[1]).toMatchObject({ status: "none" });
    const list = async () => (await client.deadLetters.list.query({ stream: "ORDERS" })).items;
    expect(await list()).toMatchObject([{ event_id: "negative" }]);
    expect((await list())[0]).not.toHaveProperty("done_since");
    await using _ = await startWorker(system.server.url, specOf(), { DATABASE_URL: postgres.url });
    await publish("negative", 1, "corrected");
    const item = await waitFor("the corrected order", async () =>
      (await list()).find(({ done_since }) => done_since !== undefined),
    );
    const replayed = await client.deadLetters.replay.mutate({ stream: "ORDERS", id: item.id });
    expect(replayed.outcomes).toMatchObject([{ outcome: "refused", code: "conflict" }]);
  });

  test("tells what became of the letters of a job; without DATABASE_URL only what the server shows", async () => {
    const nats = system.nats;
    const from = { stream: "ORDERS", group: "billing" };
    const mended = await putDead(nats, "mended.created", { ...from, seq: 901 });
    const still = await putDead(nats, "still.created", {
      ...from,
      seq: 902,
      body: JSON.stringify(order("still.created", -1)),
    });
    const { id } = await plane.client.jobs.create.mutate({
      stream: "ORDERS",
      filter: { reason: "exhausted" },
    });
    await waitForJob(plane.client, id);
    const told = async (client: typeof plane.client) =>
      Object.fromEntries(
        (await client.jobs.outcomes.query({ id })).items.map((item) => [item.id, item.outcome]),
      );
    expect(await told(plane.client)).toEqual({ [mended]: "sent", [still]: "sent" });
    await using _ = await startWorker(system.server.url, specOf(), { DATABASE_URL: postgres.url });
    await waitFor(
      "both to be settled",
      async () => !Object.values(await told(plane.client)).includes("sent"),
    );
    expect(await told(plane.client)).toEqual({ [mended]: "done", [still]: "dead_again" });
    expect(await told(system.client)).toEqual({ [mended]: "unknown", [still]: "dead_again" });
    const [died] = (
      await plane.client.deadLetters.list.query({ stream: "ORDERS", since: "2000-01-01T00:00:00Z" })
    ).items.filter(({ event_id }) => event_id === "still.created");
    await plane.client.deadLetters.discard.mutate({ stream: "ORDERS", id: died?.id ?? "" });
  });

  test("calls an event lost whose row is gone", async () => {
    await postgres.psql("delete from muster_ledger where event_id = 'a.created'");
    expect(await verify()).toMatchObject({ ok: false, lost: [{ sequence: 1 }], terms: { lost: 1 } });
  });

  test("without DATABASE_URL: a clear error where the rows decide, and the rest works", async () => {
    const { client } = system;
    const calls = [() => client.verify.query(group), () => client.orders.get.query({ ...group, id: "a" })];
    for (const call of calls) {
      const { code, message } = await refusalOf(call());
      expect(code).toBe("no_database");
      expect(message).toContain("start it with");
    }
    const { items } = await client.deadLetters.list.query({ stream: "ORDERS" });
    expect(items).toMatchObject([{ event_id: "negative" }]);
    expect(items[0]).not.toHaveProperty("done_since");
  });

  test("on a work queue another group's rows are needed too, on a limits stream they are not", async () => {
    const { client } = system;
    for (const [stream, retention] of [
      ["WORK", "workqueue"],
      ["LOG", "limits"],
    ] as const) {
      const subject = (name: string) => [`${stream.toLowerCase()}.${name}.>`];
      for (const ledger of ["postgres", "kv"] as const)
        await client.groups.apply.mutate({
          spec: specOf({ stream, group: ledger, ledger, subjects: subject(ledger) }),
          stream: { retention },
        });
    }
    expect(await refusalOf(client.verify.query({ stream: "WORK", group: "kv" }))).toMatchObject({
      code: "no_database",
      message: expect.stringContaining("group postgres keeps its ledger in Postgres"),
    });
    expect(await client.verify.query({ stream: "LOG", group: "kv" })).toMatchObject({ ok: true });
  });

  test("is read page by page, and what cannot be read is left out", async () => {
    await postgres.psql(
      "insert into muster_ledger (stream, grp, event_hash, status, event_id, body_sha256, sequence, store_time, " +
        "member, language, at) select 'BULK', 'g' || n % 3, md5(n::text), 'done', 'e' || n, 'x', n, '1', 'm', 'ts', now() " +
        "from generate_series(1, 12345) n",
    );
    const database = new Database(postgres.url, createLog("error"));
    const rows = await database.rows("BULK");
    expect(new Set(rows.map(({ event_id }) => event_id)).size).toBe(12_345);
    await postgres.psql(
      `update muster_ledger set event_id = 'broken"' where stream = 'BULK' and event_id = 'e1'; ` +
        "update muster_ledger set store_time = 'never' where stream = 'BULK' and event_id = 'e2'",
    );
    expect(await database.rows("BULK")).toHaveLength(12_343);
    await database.close();
  });

  test("needs a user that may read, and no more than that", async () => {
    await postgres.psql(
      "create role reader login; grant select on muster_ledger to reader; create role nobody login",
    );
    await using reading = await startPlane(system.server.url, urlAs("reader"));
    expect((await reading.client.verify.query(group)).terms.lost).toBe(1);
    await using refused = await startPlane(system.server.url, urlAs("nobody"));
    expect(await refusalOf(refused.client.verify.query(group))).toEqual({
      code: "database_refused",
      message: expect.stringContaining("permission denied"),
    });
  });

  test("is never written, whatever the database has in the table's place", async () => {
    await postgres.psql(
      "create table touched (at timestamptz); alter table muster_ledger rename to kept; " +
        "create function touch() returns boolean language sql volatile as 'insert into touched values (now()) returning true'; " +
        "create view muster_ledger as select * from kept where touch()",
    );
    expect(await refusalOf(verify())).toEqual({
      code: "database_refused",
      message: expect.stringContaining("read-only transaction"),
    });
    expect(await postgres.psql("select count(*) from touched")).toBe("0");
    await postgres.psql("drop view muster_ledger; alter table kept rename to muster_ledger");
    expect((await verify()).terms.lost).toBe(1);
  });

  test("that is down is said to be down, without its password, and found again", async () => {
    await postgres.kill();
    await using secret = await startPlane(system.server.url, urlAs("muster:s3cret"));
    for (const { client } of [plane, secret]) {
      const { code, message } = await refusalOf(client.verify.query(group));
      expect([code, message.includes("s3cret")]).toEqual(["database_down", false]);
      expect((await client.deadLetters.list.query({ stream: "ORDERS" })).items).toHaveLength(1);
    }
    await postgres.restart();
    expect((await verify()).terms.lost).toBe(1);
  });
});
