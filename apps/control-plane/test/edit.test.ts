import { buckets } from "@muster/contracts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { diffOf } from "../src/dead-letters/diff.ts";
import { toDeadLetter } from "../src/dead-letters/read.ts";
import { replayEdited } from "../src/dead-letters/replay-edited.ts";
import type { ReplayStep } from "../src/dead-letters/replay.ts";
import { Ledgers } from "../src/ledger/ledgers.ts";
import { getText } from "../src/nats/bucket.ts";
import { toMsgHdrs } from "../src/nats/headers.ts";
import { count, order, refusalOf, settleDead, settleDone, specOf, startSystem, take } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

let n = 0;
beforeEach(async () => {
  const { nats, client } = system;
  for (const stream of ["ORDERS", "ORDERS_DLQ", "KV_MUSTER_LEDGER", "KV_MUSTER_REPLAYS"])
    await nats.jsm.streams.delete(stream).catch(() => undefined);
  await client.groups.apply.mutate({ spec: specOf() });
});

/** A message with this body that died; gives its dead letter's id and its event. */
async function deadWith(body: string, reason: Parameters<typeof settleDead>[2] = "invalid") {
  const { nats } = system;
  const eventId = `e${++n}`;
  const headers = toMsgHdrs({ "Muster-Event-Id": eventId, tenant: "blue", traceparent: "00-1-2-01" });
  await nats.js.publish("orders.created", body, { headers });
  return { id: await settleDead(nats, await take(nats), reason), eventId };
}

const edited = (id: string, edit: object, more: object = {}) =>
  system.client.deadLetters.replay.mutate({ stream: "ORDERS", id, edit, ...more });
const good = (amount = 10) => JSON.stringify(order("o1", amount));

describe("a replay with an edit", () => {
  test("sends the mended payload as the same event, and the account closes", async () => {
    const { nats, client } = system;
    const { id, eventId } = await deadWith('{"id":1}');
    const { outcomes } = await edited(id, { payload_text: good(), headers: { tenant: null, shop: "north" } });
    expect(outcomes).toEqual([{ id, outcome: "replayed", event_id: eventId, replay_number: 1, seq: 2 }]);
    const message = await take(nats);
    expect(message.string()).toBe(good());
    expect(message.headers?.get("Muster-Event-Id")).toBe(eventId);
    expect(message.headers?.get("Muster-Replay-Number")).toBe("1");
    expect([message.headers?.has("tenant"), message.headers?.get("shop")]).toEqual([false, "north"]);
    expect(message.headers?.get("traceparent")).toBe("00-1-2-01");
    await settleDone(nats, message);
    expect(await count(nats, "ORDERS_DLQ")).toBe(0);
    expect(await client.verify.query({ stream: "ORDERS", group: "billing" })).toMatchObject({
      ok: true,
      terms: { accepted: 1, done: 1, dead: 0 },
    });
  });

  test("passes the contract as it is now, before anything is claimed, or is refused", async () => {
    const { nats } = system;
    const { id } = await deadWith('{"id":1}');
    for (const payload_text of ["{}", "no json", '{"id":NaN}', "\ufeff{}"])
      expect((await edited(id, { payload_text }, { force: true })).outcomes).toMatchObject([
        { outcome: "refused", code: "invalid" },
      ]);
    expect((await edited(id, { headers: { "Muster-Contract": "order.v9" } })).outcomes).toMatchObject([
      { code: "unknown_contract" },
    ]);
    const { config } = await nats.jsm.streams.info("ORDERS");
    await nats.jsm.streams.update("ORDERS", { ...config, max_msg_size: 500 });
    const headers = { big: "x".repeat(900) };
    expect((await edited(id, { payload_text: good(), headers })).outcomes).toMatchObject([
      { code: "too_large" },
    ]);
    expect(await getText(nats, buckets.replays, `ORDERS.${id}`)).toBeUndefined();
    expect([await count(nats, "ORDERS"), await count(nats, "ORDERS_DLQ")]).toEqual([0, 1]);
  });

  test("sends an unknown contract's letter under one that the group knows", async () => {
    const { nats } = system;
    await nats.js.publish("orders.created", good(), {
      headers: toMsgHdrs({ "Muster-Event-Id": `e${++n}`, "Muster-Contract": "order.v9" }),
    });
    const id = await settleDead(nats, await take(nats), "unknown_contract");
    expect((await edited(id, { headers: { "Muster-Contract": "order.v1" } })).counts).toEqual({
      replayed: 1,
    });
    expect((await take(nats)).headers?.get("Muster-Contract")).toBe("order.v1");
  });

  test("of a conflict goes only as an event of its own", async () => {
    const { nats } = system;
    const { id, eventId } = await deadWith(good(), "conflict");
    const edit = { payload_text: good(99) };
    expect((await edited(id, edit)).outcomes).toMatchObject([{ outcome: "refused", code: "conflict" }]);
    expect((await edited(id, edit, { as_event_id: `${eventId}.2` })).outcomes).toMatchObject([
      { outcome: "replayed", event_id: `${eventId}.2` },
    ]);
    expect((await take(nats)).string()).toBe(good(99));
  });

  test("of an event that was done since with another body is a conflict", async () => {
    const { nats } = system;
    const { id, eventId } = await deadWith(good());
    await nats.js.publish("orders.created", good(20), { headers: toMsgHdrs({ "Muster-Event-Id": eventId }) });
    await settleDone(nats, await take(nats));
    expect((await edited(id, { payload_text: good(30) })).outcomes).toMatchObject([{ code: "conflict" }]);
    // The body that was done is a repeat, which is harmless.
    expect((await edited(id, { payload_text: good(20) })).counts).toEqual({ replayed: 1 });
  });

  test("is in the audit with what it changed, and not with the payload", async () => {
    const { client } = system;
    const { id } = await deadWith('{"id":1,"note":"a/b","tags":["x"]}');
    await edited(id, { payload_text: good(), headers: { tenant: "red" } });
    const { rows } = await client.audit.list.query({ limit: 3 });
    const [done, diff, begun] = rows;
    expect([done?.action, diff?.action, begun?.action]).toEqual([
      "deadLetters.replay",
      "deadLetters.edit",
      "deadLetters.replay",
    ]);
    expect(new Set(rows.map(({ request_id }) => request_id)).size).toBe(1);
    expect(begun?.input).not.toContain("ada");
    expect(JSON.parse(begun?.input ?? "")).toEqual({
      stream: "ORDERS",
      id,
      edit: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect(diff?.after).toMatchObject({
      id,
      headers: [{ path: "tenant", before: '"blue"', after: '"red"' }],
      payload: {
        changes: expect.arrayContaining([
          { path: "/id", before: "1", after: '"o1"' },
          { path: "/note", before: '"a/b"' },
          { path: "/customer", after: '"ada"' },
        ]),
      },
    });
  });

  test("a letter that is gone is not found", async () => {
    expect(await refusalOf(edited("dl.none", { payload_text: "{}" }))).toMatchObject({ code: "not_found" });
  });

  test.each<[string, object]>([
    ["nothing", {}],
    ["two payloads", { payload_text: "{}", payload_base64: "e30=" }],
    ["no base64", { payload_base64: "###" }],
    ["a server's header", { headers: { "Nats-Rollup": "all" } }],
    ["a server's header in small letters", { headers: { "nats-expected-stream": "X" } }],
    ["a forged fact", { headers: { "Muster-Dlq-Id": "x" } }],
    ["the event id", { headers: { "Muster-Event-Id": "x" } }],
    ["the replay number", { headers: { "muster-replay-number": "0" } }],
    ["a header with a line end", { headers: { a: "b\r\nNats-Rollup: all" } }],
    ["a name with a line end", { headers: { "a\r\nb": "c" } }],
    ["an empty name", { headers: { "": "c" } }],
    ["a field that nobody knows", { payload: "{}" }],
  ])("%s is refused", async (_what, edit) => {
    const { id } = await deadWith(good());
    const { code, message } = await refusalOf(edited(id, edit));
    expect([code, message]).toEqual(["bad_request", expect.stringMatching(/^edit/)]);
  });
});

describe("an edited replay that is killed", () => {
  const actor = { id: "t1", name: "ada", role: "operator" } as const;
  const run = (id: string, payload_text: string | undefined, at?: ReplayStep, nowMs = Date.now()) => {
    const { nats } = system;
    const hooks = {
      now: () => nowMs,
      onStep: (step: ReplayStep) =>
        step === at ? Promise.reject(new Error(`killed at ${step}`)) : undefined,
    };
    const edit = payload_text === undefined ? { headers: { tenant: "red" } } : { payload_text };
    const query = { stream: "ORDERS", id, edit };
    return replayEdited(nats, new Ledgers(nats, undefined), query, { actor, requestId: "r1" }, hooks);
  };
  const later = () => Date.now() + 31_000;

  test("behind checked has told the audit, and changed nothing", async () => {
    const { nats, client } = system;
    const { id } = await deadWith("{}");
    await expect(run(id, good(), "checked")).rejects.toThrow("killed");
    expect(await getText(nats, buckets.replays, `ORDERS.${id}`)).toBeUndefined();
    expect((await client.audit.list.query({ limit: 1 })).rows).toMatchObject([
      { action: "deadLetters.edit" },
    ]);
    expect((await run(id, good(11))).counts).toEqual({ replayed: 1 });
  });

  test("behind published goes on only with the same edit", async () => {
    const { nats, client } = system;
    const { id } = await deadWith(good());
    await expect(run(id, good(20), "published")).rejects.toThrow("killed");
    expect((await run(id, good(30), undefined, later())).outcomes).toMatchObject([{ code: "begun_edit" }]);
    expect((await run(id, undefined, undefined, later())).outcomes).toMatchObject([{ code: "begun_edit" }]);
    expect((await run(id, good(20), undefined, later())).counts).toEqual({ replayed: 1 });
    expect([await count(nats, "ORDERS"), await count(nats, "ORDERS_DLQ")]).toEqual([1, 0]);
    const message = await take(nats);
    expect(message.string()).toBe(good(20));
    await settleDone(nats, message);
    expect(await client.verify.query({ stream: "ORDERS", group: "billing" })).toMatchObject({ ok: true });
  });

  test("behind published, and died again: another edit may go, once the first is not in its way", async () => {
    const { nats } = system;
    const { id } = await deadWith(good());
    await expect(run(id, good(20), "published")).rejects.toThrow("killed");
    await settleDead(nats, await take(nats));
    // The first is decided, but the server still drops a second message of its id: nothing is deleted for it.
    expect((await run(id, good(30), undefined, later())).outcomes).toMatchObject([
      { outcome: "failed", code: "begun_edit" },
    ]);
    expect(await count(nats, "ORDERS_DLQ")).toBe(2);
  });
});

describe("a diff", () => {
  const letter = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
    toDeadLetter("ORDERS", {
      subject: "muster.dlq.ORDERS.billing.invalid",
      seq: 1,
      storeTime: "1",
      headers: toMsgHdrs(headers),
      data: typeof body === "string" ? new TextEncoder().encode(body) : body,
    });
  const changes = (before: string, after: string) => diffOf(letter(before), letter(after)).payload.changes;

  test.each<[string, string, object[]]>([
    [
      "[1,2,3]",
      "[1,5]",
      [
        { path: "/1", before: "2", after: "5" },
        { path: "/2", before: "3" },
      ],
    ],
    ['{"a/b":{"m~n":1}}', '{"a/b":{"m~n":2}}', [{ path: "/a~1b/m~0n", before: "1", after: "2" }]],
    ["{}", "[]", [{ path: "", before: "{}", after: "[]" }]],
    ["1", "null", [{ path: "", before: "1", after: "null" }]],
    ['{"__proto__":1}', '{"__proto__":2}', [{ path: "/__proto__", before: "1", after: "2" }]],
    ['{"a":[{"b":1}]}', '{"a":[{"b":1}]}', []],
  ])("from %s to %s", (before, after, expected) => {
    expect(changes(before, after)).toEqual(expected);
  });

  test("is bounded, however much there is of it and however deep it goes", () => {
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, "v".repeat(500)]));
    const { payload } = diffOf(letter("{}"), letter(JSON.stringify(many)));
    expect([payload.changes?.length, payload.more]).toEqual([100, 4900]);
    const deep = (end: string) => "[".repeat(100_000) + end + "]".repeat(100_000);
    expect(changes(deep("1"), deep("2"))?.length).toBe(1);
    expect(JSON.stringify(diffOf(letter(deep("1")), letter(JSON.stringify(many)))).length).toBeLessThan(2000);
  });

  test("of what is no JSON is its hashes", () => {
    const { payload } = diffOf(letter(new Uint8Array([0xff])), letter("{}"));
    expect(Object.keys(payload)).toEqual(["before_sha256", "after_sha256"]);
    expect(payload.before_sha256).not.toBe(payload.after_sha256);
  });
});
