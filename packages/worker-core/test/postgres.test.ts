import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PostgresServer } from "@muster/testkit";
import { postgresMissing, startPostgres } from "@muster/testkit";
import { unseen } from "../src/ledger/ledger.ts";
import { codeOf, dead, done, message, TestDatabase, write } from "./postgres.ts";

const missing = postgresMissing();

describe.skipIf(missing !== undefined)(missing ?? "rows in Postgres", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  test("what was never seen runs; a done row is found as it was written", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger({ workerId: "w-1" });
    const seen = message({ eventId: "o-1.created", sequence: 7, body: '{"a":1}' });
    expect(await ledger.lookUp(seen)).toEqual(unseen);
    expect(await ledger.write(write(seen, { status: "done", result: { total: "12.30" } }))).toBe(true);
    const found = await ledger.lookUp(seen);
    expect(found).toEqual({
      decision: "repeat",
      revision: 1,
      row: {
        v: 1,
        status: "done",
        event_id: "o-1.created",
        body_sha256: seen.bodySha256,
        sequence: 7,
        store_time: "1700000000000000007",
        sequences: [],
        more: 0,
        result: { total: "12.30" },
        member: "w-1",
        language: "ts",
        at: expect.stringMatching(/^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z$/),
      },
    });
    expect(
      await ledger.lookUp(message({ eventId: "o-1.created", sequence: 7, body: "other" })),
    ).toMatchObject({
      decision: "conflict",
    });
  });

  test("a dead row is found with its reason and the headers of its dead letter", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const seen = message();
    expect(await ledger.write(write(seen, dead))).toBe(true);
    const { row, decision } = await ledger.lookUp(seen);
    expect(decision).toBe("finish");
    expect(row).toMatchObject(dead);
    expect(row).not.toHaveProperty("result");
  });

  test("each group has its own row of an event", async () => {
    await using database = await TestDatabase.create(server);
    const [one, other, elsewhere] = [
      database.ledger(),
      database.ledger({ group: "other" }),
      database.ledger({ stream: "RETURNS" }),
    ];
    const seen = message();
    expect(await one.write(write(seen))).toBe(true);
    expect(await other.lookUp(seen)).toEqual(unseen);
    expect(await elsewhere.write(write(seen))).toBe(true);
  });

  const deep = "[".repeat(4000) + "]".repeat(4000);
  test.each([
    ["no result", null],
    ["NUL", { "a\0b": "\0", list: ["\u0001\u001f\u007f"] }],
    ["quotes and backslashes", { 'a"b': String.raw`\" \\ \u0041 {} , NULL` }],
    ["unicode", { ключ: "🙂 é \u2028 \ufeff \uffff" }],
    ["__proto__", JSON.parse('{"__proto__":{"x":1},"constructor":null}')],
    ["numbers", [0.1, 1e308, 5e-324, -1.5, 2 ** 53, 1e21]],
    ["8 KiB", "ü".repeat(4095)],
    ["4000 levels", JSON.parse(deep)],
    ["the text null", "null"],
  ])("a result is found exactly as it was: %s", async (_name, result) => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const [alone, within] = [message(), message()];
    expect(await ledger.write(write(alone, { status: "done", result }))).toBe(true);
    const tx = ledger.transaction();
    await tx.query("select 1");
    expect(await ledger.write(write(within, { status: "done", result }), tx)).toBe(true);
    for (const seen of [alone, within]) {
      const { row } = await ledger.lookUp(seen);
      expect(JSON.stringify(row?.result)).toBe(JSON.stringify(result));
    }
  });

  test.each([
    ["NUL", "a\0b"],
    ["8 KiB", "x".repeat(8192)],
    ["unicode", "заказ-🙂"],
    ["escapes", String.raw`o-\u0041"'\\;--`],
    ["__proto__", "__proto__"],
    ["braces and commas", '{"a",NULL}'],
    ["a space", " "],
  ])(
    "an event id is found exactly as it was, and is another than what resembles it: %s",
    async (_name, eventId) => {
      await using database = await TestDatabase.create(server);
      const ledger = database.ledger();
      const seen = message({ eventId });
      expect(await ledger.write(write(seen))).toBe(true);
      expect((await ledger.lookUp(seen)).row?.event_id).toBe(eventId);
      expect(await ledger.lookUp(message({ eventId: JSON.stringify(eventId).slice(1, -1) + "x" }))).toEqual(
        unseen,
      );
    },
  );

  test("headers are found as they were, also one that is called __proto__", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const headers = JSON.parse('{"__proto__":"p","Muster-Dlq-Error":"\\u0000 é \\" \\\\","Empty":""}');
    const seen = message();
    await ledger.write(write(seen, { status: "dead", reason: "exhausted", headers }));
    expect(JSON.stringify((await ledger.lookUp(seen)).row?.headers)).toBe(JSON.stringify(headers));
  });

  test("a database that cannot hold unicode holds the rows all the same", async () => {
    await using database = await TestDatabase.create(server, "encoding 'LATIN1' template template0");
    const ledger = database.ledger();
    const seen = message({ eventId: "заказ" });
    expect(await ledger.write(write(seen, { status: "done", result: "🙂" }))).toBe(true);
    expect((await ledger.lookUp(seen)).row).toMatchObject({ event_id: "заказ", result: "🙂" });
  });

  test("of two members that write an event one succeeds, and the other finds its row", async () => {
    await using database = await TestDatabase.create(server);
    const [one, other] = [database.ledger({ workerId: "one" }), database.ledger({ workerId: "other" })];
    for (let round = 0; round < 20; round++) {
      const seen = message();
      const copy = message({ eventId: seen.eventId, sequence: 2 });
      const written = await Promise.all([one.write(write(seen)), other.write(write(copy))]);
      expect(written.filter(Boolean)).toHaveLength(1);
      const [loser, late] = written[0] ? [other, copy] : [one, seen];
      expect(await loser.lookUpAgain(late, unseen)).toMatchObject({ decision: "repeat", revision: 1 });
    }
  });

  test("a dead row is overwritten by a later message, once, and keeps its sequence", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const first = message({ sequence: 3 });
    const later = message({ eventId: first.eventId, sequence: 9, body: "corrected" });
    const earlier = message({ eventId: first.eventId, sequence: 2 });
    await ledger.write(write(first, dead));
    expect(await ledger.lookUp(earlier)).toMatchObject({ decision: "stale" });
    const lookUp = await ledger.lookUp(later);
    expect(lookUp.decision).toBe("run");
    expect(await ledger.write(write(later, done, lookUp))).toBe(true);
    expect(await ledger.write(write(later, done, lookUp))).toBe(false);
    const { row, revision } = await ledger.lookUpAgain(later, lookUp);
    expect(row).toMatchObject({ ...done, sequence: 9, sequences: [3], body_sha256: later.bodySha256 });
    expect(row).not.toHaveProperty("reason");
    expect(row).not.toHaveProperty("headers");
    expect(revision).toBe(2);
  });

  test("a dead row that has died anew since the look-up is not overwritten", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const first = message({ sequence: 1 });
    await ledger.write(write(first, dead));
    const replay = message({ eventId: first.eventId, sequence: 2 });
    const found = await ledger.lookUp(replay);
    expect(await ledger.write(write(replay, dead, found))).toBe(true);
    expect(await ledger.write(write(replay, done, found))).toBe(false);
    expect(await ledger.lookUpAgain(replay, found)).toMatchObject({ decision: "finish", revision: 2 });
  });

  test("a done row is never overwritten, not even by one who has its revision", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const seen = message();
    await ledger.write(write(seen));
    const found = await ledger.lookUp(seen);
    expect(await ledger.write(write(seen, dead, { ...found, decision: "run" }))).toBe(false);
    expect((await ledger.lookUp(seen)).row?.status).toBe("done");
  });

  test("an answer that is not newer than the failed compare is unreachable, not unseen", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const seen = message();
    expect(await codeOf(ledger.lookUpAgain(seen, unseen))).toBe("unreachable");
    await ledger.write(write(seen, dead));
    const found = await ledger.lookUp(seen);
    expect(await codeOf(ledger.lookUpAgain(seen, found))).toBe("unreachable");
  });

  test("copies join the row by members at the same time; beyond 32 they are only counted", async () => {
    await using database = await TestDatabase.create(server);
    const ledgers = [database.ledger(), database.ledger(), database.ledger()];
    const seen = message({ sequence: 1 });
    await ledgers[0]?.write(write(seen));
    for (let sequence = 2; sequence <= 37; sequence += ledgers.length) {
      await Promise.all(
        ledgers.map(async (ledger, at) => {
          const copy = message({ eventId: seen.eventId, sequence: sequence + at });
          await ledger.join(copy, await ledger.lookUp(copy));
        }),
      );
    }
    const { row } = (await ledgers[0]?.lookUp(seen)) ?? unseen;
    expect(row?.sequences).toHaveLength(32);
    expect(row?.more).toBe(4);
    expect(row).toMatchObject({ ...done, sequence: 1 });
  });

  test("a copy that the row knows writes nothing", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const seen = message();
    await ledger.write(write(seen));
    const found = await ledger.lookUp(seen);
    expect(await ledger.join(seen, found)).toEqual(found);
    expect((await ledger.lookUp(seen)).revision).toBe(1);
  });

  test("many rows are written in one transaction, or none and the answers say which stood in the way", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const [died, there] = [message({ sequence: 1 }), message({ sequence: 2 })];
    await ledger.writeAll([write(died, dead), write(there)]);
    const replay = message({ eventId: died.eventId, sequence: 3 });
    const found = await ledger.lookUp(replay);
    const fresh = Array.from({ length: 700 }, (_, at) => message({ sequence: 10 + at }));
    const all = [write(replay, done, found), ...fresh.map((each) => write(each)), write(there)];
    const answers = await ledger.writeAll(all);
    expect(answers.indexOf(false)).toBe(all.length - 1);
    expect(await database.sql("select count(*) from muster_ledger")).toBe("2");
    expect(await ledger.writeAll(all.slice(0, -1))).toEqual(all.slice(0, -1).map(() => true));
    expect(await database.sql("select count(*) from muster_ledger where status = 'done'")).toBe("702");
    expect(await ledger.writeAll([])).toEqual([]);
  });

  test("of two copies of an event in one batch the second stands in the way", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const eventId = randomUUID();
    const copies = [1, 2].map((sequence) => write(message({ eventId, sequence })));
    expect(await ledger.writeAll(copies)).toEqual([true, false]);
    expect(await database.sql("select count(*) from muster_ledger")).toBe("0");
  });

  test("two batches with the same rows in other orders do not wait for each other for ever", async () => {
    await using database = await TestDatabase.create(server);
    const [one, other] = [database.ledger(), database.ledger()];
    for (let round = 0; round < 10; round++) {
      const writes = Array.from({ length: 50 }, () => write(message()));
      const answers = await Promise.all([one.writeAll(writes), other.writeAll(writes.toReversed())]);
      const complete = answers.filter((each) => each.every(Boolean));
      expect(complete).toHaveLength(1);
    }
  });

  test("a row that cannot be read is not taken for none", async () => {
    await using database = await TestDatabase.create(server);
    const ledger = database.ledger();
    const seen = message();
    await ledger.write(write(seen));
    await database.sql("update muster_ledger set result = '{broken'");
    expect(await codeOf(ledger.lookUp(seen))).toBe("unreachable");
  });
});
