import { sha256Hex } from "@muster/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LetterSpec, makeDlq, storeLetter } from "./dead-letters.ts";
import { refusalOf, specOf, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

let streams = 0;
/** A dead-letter stream of its own for a test, with these letters. */
async function dlq(...specs: LetterSpec[]): Promise<{ stream: string; ids: string[] }> {
  const stream = `S${++streams}`;
  await makeDlq(system.nats, stream);
  const ids: string[] = [];
  for (const spec of specs) ids.push((await storeLetter(system.nats, { stream, ...spec })).id);
  return { stream, ids };
}
type Query = Parameters<typeof system.client.deadLetters.list.query>[0];
const page = (query: Query) => system.client.deadLetters.list.query(query);
const idsOf = async (query: Query) => (await page(query)).items.map(({ id }) => id);

test("finds by each field of the filter, and by several at once", async () => {
  const { stream, ids } = await dlq(
    {
      group: "a",
      reason: "invalid",
      language: "ts",
      version: "1.0",
      error: "Card REFUSED",
      subject: "orders.eu.created",
    },
    {
      group: "a",
      reason: "exhausted",
      language: "go",
      version: "2.0",
      errorClass: "TimeoutError",
      error: "late",
    },
    {
      group: "b",
      reason: "exhausted",
      language: "py",
      version: "2.0",
      error: "late again",
      subject: "orders.eu",
    },
  );
  const found = async (filter: Omit<Query, "stream">) => {
    const [items, { count }] = [
      await idsOf({ stream, ...filter }),
      await system.client.deadLetters.count.query({ stream, ...filter }),
    ];
    expect(count).toBe(items.length);
    return items.map((id) => ids.indexOf(id));
  };
  expect(await found({})).toEqual([0, 1, 2]);
  expect(await found({ group: "a" })).toEqual([0, 1]);
  expect(await found({ reason: "exhausted" })).toEqual([1, 2]);
  expect(await found({ language: "py" })).toEqual([2]);
  expect(await found({ version: "2.0" })).toEqual([1, 2]);
  expect(await found({ error: "refused" })).toEqual([0]);
  expect(await found({ error: "timeouterr" })).toEqual([1]);
  expect(await found({ error: "LATE" })).toEqual([1, 2]);
  expect(await found({ subject: "orders.*.created" })).toEqual([0]);
  expect(await found({ subject: "orders.eu.>" })).toEqual([0]);
  expect(await found({ subject: "orders.*" })).toEqual([1, 2]);
  expect(await found({ version: "2.0", error: "late", group: "b" })).toEqual([2]);
  expect(await found({ version: "1" })).toEqual([]);
  expect(await found({ group: "nobody" })).toEqual([]);
  const { items } = await page({ stream });
  expect(await found({ fingerprint: items[1]?.fingerprint ?? "" })).toEqual([1]);
  const [, second] = items.map(({ stored_at }) => stored_at);
  expect(await found({ since: second ?? "" })).toEqual(expect.arrayContaining([1, 2]));
  expect(await found({ until: "2026-01-01T00:00:00Z" })).toEqual([]);
  expect(await found({ since: "2020-01-01T00:00:00+02:00", until: "2120-01-01T00:00:00Z" })).toEqual([
    0, 1, 2,
  ]);
});

test.each([
  [{ subject: "orders..created" }],
  [{ subject: "orders.>.created" }],
  [{ since: "yesterday" }],
  [{ fingerprint: "xyz" }],
  [{ error: "" }],
  [{ cursor: "12" }],
  [{ cursor: "o1-zz; drop" }],
  [{ reason: "nonsense" }],
])("refuses the filter %j", async (filter) => {
  expect((await refusalOf(page({ stream: "ORDERS", ...(filter as object) }))).code).toBe("bad_request");
});

test.each(["oldest", "newest"] as const)("pages %s first, while letters come and go", async (order) => {
  const { stream, ids } = await dlq(...Array.from({ length: 10 }, () => ({})));
  const first = await page({ stream, order, limit: 4 });
  // Gone: one that was shown, and one that was not; come: one at the end.
  const { jsm } = system.nats;
  await jsm.streams.deleteMessage(`${stream}_DLQ`, order === "oldest" ? 2 : 9);
  await jsm.streams.deleteMessage(`${stream}_DLQ`, 5);
  const { id } = await storeLetter(system.nats, { stream });
  const seen = first.items.map((item) => item.id);
  let cursor = first.next_cursor;
  while (cursor !== undefined) {
    const next = await page({ stream, order, limit: 4, cursor });
    seen.push(...next.items.map((item) => item.id));
    cursor = next.next_cursor;
  }
  const rest = ids.filter((_, i) => i !== 4);
  expect(seen).toEqual(order === "oldest" ? [...rest, id] : rest.toReversed());
});

test("finds what is not ASCII in errors, in any case", async () => {
  const { stream, ids } = await dlq({ error: "KÖNIG fehlt 😀" }, { error: "koenig fehlt" });
  for (const error of ["könig", "König FEHLT", "\u00f6nig", "😀", "k\\u00d6nig"])
    expect(await idsOf({ stream, error })).toEqual([ids[0]]);
  expect(await idsOf({ stream, error: " fehlt" })).toEqual(ids);
  expect(await idsOf({ stream, error: "\u0000" })).toEqual([]);
});

test("a page that is exactly full has no next one where nothing is left", async () => {
  const { stream } = await dlq({}, {});
  expect(await page({ stream, limit: 2 })).not.toHaveProperty("next_cursor");
  expect(await page({ stream, limit: 1 })).toHaveProperty("next_cursor");
});

test("refuses a cursor of the other order, and of a stream that was made again", async () => {
  const { stream } = await dlq({}, {}, {});
  const { next_cursor: cursor = "" } = await page({ stream, limit: 1 });
  expect((await refusalOf(page({ stream, cursor, order: "newest" }))).code).toBe("bad_cursor");
  await system.nats.jsm.streams.delete(`${stream}_DLQ`);
  await makeDlq(system.nats, stream);
  expect((await refusalOf(page({ stream, cursor }))).code).toBe("changed_meanwhile");
});

test("counts by group and reason with both shelves, without the index", async () => {
  const { stream } = await dlq({ group: "a" }, { group: "a", reason: "invalid" }, { group: "b" });
  await system.nats.js.publish(`muster.archive.${stream}.b.permanent`, "x");
  expect(await system.client.deadLetters.totals.query({ stream })).toEqual({
    groups: [
      {
        group: "a",
        dead: 2,
        archived: 0,
        by_reason: { invalid: { dead: 1, archived: 0 }, permanent: { dead: 1, archived: 0 } },
      },
      { group: "b", dead: 1, archived: 1, by_reason: { permanent: { dead: 1, archived: 1 } } },
    ],
  });
  const { groups } = await system.client.deadLetters.totals.query({ stream, group: "b" });
  expect(groups.map(({ group }) => group)).toEqual(["b"]);
});

test("the same fault of three languages is one failure group, split by language and version", async () => {
  const { stream, ids } = await dlq(
    { language: "ts", errorClass: "PermanentError", error: "order o-1 refused: card '4711' is stolen" },
    {
      language: "go",
      errorClass: "Error",
      error: 'Order o-23 refused: card "99" is stolen',
      reason: "exhausted",
    },
    {
      language: "py",
      errorClass: "CardError",
      error: "order o-4 refused:  card '1' is stolen.",
      version: "2",
      group: "b",
    },
    { language: "ts", errorClass: "TimeoutError", error: "" },
    { language: "py", errorClass: "TimeoutError", error: "TimeoutError" },
    ...(["ts", "go", "py"] as const).map((language) => ({
      language,
      reason: "invalid" as const,
      errorClass: "InvalidMessage",
      error: "does not match order.v1 at /items/0/price",
    })),
    { reason: "invalid", errorClass: "InvalidMessage", error: "does not match order.v1 at /amount" },
  );
  const { items, more, index } = await system.client.deadLetters.failures.query({ stream });
  expect([more, index.state]).toEqual([0, "ready"]);
  expect(items.map(({ error, count }) => [error, count])).toEqual(
    expect.arrayContaining([
      ["order # refused: card # is stolen", 3],
      ["timeouterror", 2],
      ["does not match order.v1 at /items/#/price", 3],
      ["does not match order.v1 at /amount", 1],
    ]),
  );
  const stolen = items.find(({ error }) => error.includes("stolen"));
  expect(stolen).toMatchObject({
    example_id: ids[2],
    error_class: "CardError",
    reasons: { permanent: 2, exhausted: 1 },
    groups: { billing: 2, b: 1 },
  });
  expect(stolen?.by).toEqual(
    expect.arrayContaining([
      { language: "ts", version: "1", count: 1 },
      { language: "go", version: "1", count: 1 },
      { language: "py", version: "2", count: 1 },
    ]),
  );
  // The headers' own fingerprints are three: they hold the reason, and what is quoted.
  const lines = (await page({ stream, fingerprint: stolen?.fingerprint ?? "" })).items;
  expect(lines.map(({ language }) => language).toSorted()).toEqual(["go", "py", "ts"]);
  const top = await system.client.deadLetters.failures.query({ stream, limit: 1, reason: "permanent" });
  expect([top.items.length, top.more]).toEqual([1, 1]);
});

test("exports whole letters in pages, each a document of its own, and ends a page by its bytes", async () => {
  const body = "x".repeat(900_000);
  const { stream, ids } = await dlq(...Array.from({ length: 7 }, () => ({ body })));
  const exported: string[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const answer = await system.client.deadLetters.export.query({
      stream,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const item of answer.items) {
      exported.push(item.id);
      expect(sha256Hex(Buffer.from(item.payload_base64, "base64"))).toBe(sha256Hex(Buffer.from(body)));
    }
    cursor = answer.next_cursor;
    pages++;
  } while (cursor !== undefined);
  expect([exported, pages]).toEqual([ids, 2]);
});

test("shows a letter with payload, trace, claim, and in the archive", async () => {
  await system.client.groups.apply.mutate({ spec: specOf() });
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const { id } = await storeLetter(system.nats, {
    body: '{"a":1}',
    headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01` },
  });
  const query = { stream: "ORDERS", id };
  const shown = await system.client.deadLetters.get.query(query);
  expect(shown).toMatchObject({
    trace_id: trace,
    payload_text: '{"a":1}',
    payload_is_json: true,
    contract: "order.v1",
  });
  expect(shown).not.toHaveProperty("claim");
  const record = {
    v: 1,
    state: "claimed",
    owner: "somebody",
    id,
    group: "billing",
    event_id: "e",
    sequence: 1,
    store_time: "1",
    at: new Date().toISOString(),
    lease_until: new Date(Date.now() + 60_000).toISOString(),
  };
  await system.nats.js.publish(`$KV.MUSTER_REPLAYS.ORDERS.${id}`, JSON.stringify(record));
  expect((await system.client.deadLetters.get.query(query)).claim).toMatchObject({
    kind: "replay",
    is_held: true,
  });
  const { id: other } = await storeLetter(system.nats, { body: new Uint8Array([0xff]) });
  await system.client.deadLetters.discard.mutate({ stream: "ORDERS", id: other });
  expect((await refusalOf(system.client.deadLetters.get.query({ stream: "ORDERS", id: other }))).code).toBe(
    "not_found",
  );
  const archived = await system.client.deadLetters.get.query({ stream: "ORDERS", id: other, archived: true });
  expect(archived).toMatchObject({ payload_base64: "/w==", payload_is_json: false });
  expect(archived).not.toHaveProperty("payload_text");
});
