import { readFileSync } from "node:fs";
import { buckets, memberKey, memberSubject } from "@muster/contracts";
import { waitFor } from "@muster/testkit";
import { Validator } from "@seriousme/openapi-schema-validator";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createToken } from "../src/access/tokens.ts";
import { putEntry } from "../src/nats/bucket.ts";
import { toMsgHdrs } from "../src/nats/headers.ts";
import { operations } from "../src/rest/operations.ts";
import { appRouter } from "../src/router.ts";
import { listen } from "./listen.ts";
import { restClient } from "./rest-client.ts";
import { memberOf, order, settleDead, specOf, startPlane, startSystem, take } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
let plane: Awaited<ReturnType<typeof startPlane>>;
let rest: Awaited<ReturnType<typeof restClient>>;
const tokens = { viewer: "", admin: "" };
const at = { stream: "ORDERS", group: "billing" };
beforeAll(async () => {
  system = await startSystem();
  plane = await startPlane(system.server.url, undefined, "tokens");
  for (const role of ["viewer", "admin"] as const)
    tokens[role] = (await createToken(system.nats, { name: `the ${role}`, role }))?.token ?? "";
  rest = await restClient(plane.url, tokens.admin);
});
afterAll(async () => {
  await plane.close();
  await system[Symbol.asyncDispose]();
});

describe("the document", () => {
  test("is OpenAPI 3.1", async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(rest.document));
    expect([valid, errors]).toEqual([true, undefined]);
    expect(validator.version).toBe("3.1");
  });

  test("is the one that is published with the sources: else run `./muster generate`", () => {
    const file = readFileSync(new URL("../schemas/openapi.json", import.meta.url), "utf8");
    const { "x-comment": _, ...published } = JSON.parse(file) as Record<string, unknown>;
    expect(rest.document).toEqual(published);
  });

  test("has every procedure, and ids that a generator can call its functions by", () => {
    const procedures = Object.keys(appRouter._def.procedures);
    expect(procedures.length).toBeGreaterThan(15);
    const described = new Set<string>(Object.values(operations).map(({ procedure }) => procedure));
    expect(procedures.filter((path) => !described.has(path))).toEqual([]);
    expect(rest.operations.size).toBe(Object.keys(operations).length);
    for (const id of rest.operations.keys()) expect(id).toMatch(/^[a-z]+([A-Z][a-z]+)+$/);
  });

  test("has its page beside it, which loads nothing and runs nothing", async () => {
    const response = await fetch(`${plane.url}/docs`);
    const page = await response.text();
    expect(response.headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    );
    expect(page).not.toMatch(/<script|<link|<img|\bsrc=|\bon[a-z]+=|https?:\/\//i);
    for (const { path } of rest.operations.values()) expect(page).toContain(`<code>${path}</code>`);
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) expect(page).toContain(`id="${target}"`);
  });
});

describe("every operation", () => {
  test.each(Object.keys(operations))("%s is refused to strangers, in the form of a problem", async (id) => {
    const params = { ...at, member: "m1", id: "x" };
    const { status, code } = await rest.refused(id, { params, token: "no-token" });
    // Strangers of one address are slowed down, and all of these come from one.
    expect([`401 unauthorized`, `429 too_many_requests`]).toContain(`${status} ${code}`);
  });

  test.each(Object.entries(operations).filter(([, { procedure }]) => roleOf(procedure) !== "viewer"))(
    "%s is refused to who has too small a role",
    async (id) => {
      const params = { ...at, member: "m1", id: "x" };
      const { status, code } = await rest.refused(id, { params, token: tokens.viewer });
      expect([status, code]).toEqual([403, "forbidden"]);
    },
  );

  test("answers as the document says: groups", async () => {
    const spec = { contracts: ["order.v1"], subjects: ["orders.>"], ack_wait_ms: 2000 };
    expect(await rest.call("planGroup", { params: at, body: { spec } })).toMatchObject({ revision: 0 });
    expect(await rest.call("applyGroup", { params: at, body: { spec } })).toMatchObject({
      ...at,
      revision: 1,
    });
    const groups = [{ spec: { ...spec, ...at } }];
    expect(await rest.call("planGroups", { body: { groups } })).toMatchObject({ nothing_to_do: true });
    expect(await rest.call("applyGroups", { body: { groups } })).toMatchObject({
      ok: true,
      groups: [{ ...at, outcome: "applied", revision: 1 }],
    });
    // The whole file, as the CLI takes it, may say the names once more.
    expect(await rest.call("applyGroup", { params: at, body: { spec: { ...spec, ...at } } })).toMatchObject({
      revision: 1,
    });
    expect(await rest.call("listGroups")).toMatchObject([at]);
    expect(await rest.call("getGroup", { params: at })).toMatchObject({ ...at, members: [] });
    expect(await rest.call("pauseGroup", { params: at })).toMatchObject({ paused: true });
    expect(await rest.call("resumeGroup", { params: at })).toMatchObject({ paused: false });
    const log = { stream: "LOG", group: "audit" };
    await rest.call("applyGroup", {
      params: log,
      body: { spec: { ...spec, subjects: ["log.>"] }, stream: { retention: "limits" } },
    });
    const to = { sequence: 1 };
    expect(await rest.call("resetGroup", { params: log, body: { to, dry_run: true } })).toMatchObject({
      ...log,
      dry_run: true,
    });
    expect(await rest.refused("deleteGroup", { params: log })).toMatchObject({
      status: 412,
      code: "not_confirmed",
    });
    const query = { confirm: "audit", dry_run: "true", force: "false" };
    expect(await rest.call("deleteGroup", { params: log, query })).toMatchObject({ dry_run: true });
    expect(await rest.call("deleteGroup", { params: log, query: { confirm: "audit" } })).toMatchObject({
      dry_run: false,
    });
    expect(await rest.refused("getGroup", { params: log })).toMatchObject({ status: 404, code: "no_group" });
  });

  test("answers as the document says: members", async () => {
    using events = listen(`${plane.url}/api/v1/member-events?stream=ORDERS`, {
      authorization: `Bearer ${tokens.viewer}`,
    });
    await waitFor("the stream", events.isOpen);
    const key = memberKey("ORDERS", "billing", "m1");
    await putEntry(system.nats, buckets.members, key, JSON.stringify(memberOf({})), 0);
    await events.seen("joined", "m1");
    const { responses } = rest.operations.get("watchMembers")?.operation ?? {};
    const schema = responses?.[200].content["text/event-stream"]?.schema;
    for (const event of events.events) rest.check("an event", schema ?? { type: "null" }, event);
    rest.called.add("watchMembers");

    system.nats.nc.subscribe(memberSubject("ORDERS", "billing", "m1", "drain"), {
      callback: (_, message) => {
        message.respond('{"ok":true}');
      },
    });
    const params = { ...at, member: "m1" };
    expect(await rest.call("drainMember", { params })).toMatchObject(params);
    expect(await rest.call("getGroup", { params: at })).toMatchObject({ members: [{ id: "m1" }] });
    const query = { stream: "ORDERS", state: "running", degraded: "false", limit: "1" };
    expect(await rest.call("listMembers", { query })).toMatchObject({
      items: [{ group: "billing", member: { id: "m1" } }],
      total: 1,
    });
    expect(await rest.refused("drainMember", { params: { ...at, member: "m2" } })).toMatchObject({
      status: 404,
      code: "no_member",
    });
  });

  test("answers as the document says: orders and the account", async () => {
    const orders = [
      { event: "created", order: order("o/1 %2F.>") },
      { event: "created", order: { id: "bad" } },
      { event: "created", order: order("o/1 %2F.>") },
    ];
    expect(await rest.call("publishOrders", { body: { orders } })).toMatchObject({
      counts: { published: 1, invalid: 1, duplicate: 1 },
    });
    await settleDead(system.nats, await take(system.nats));
    const params = { ...at, id: "o/1 %2F.>" };
    expect(await rest.call("getOrder", { params })).toMatchObject({
      id: params.id,
      events: [{ event: "created", status: "dead" }, { status: "none" }, { status: "none" }],
    });
    expect(await rest.call("verifyGroup", { params: at })).toMatchObject({ ok: true, terms: { dead: 1 } });
    expect(await rest.call("runDoctor", { query: { stream: "ORDERS" } })).toMatchObject({
      looked_at: { groups: 1 },
    });
  });

  test("answers as the document says: dead letters", async () => {
    const params = { stream: "ORDERS" };
    const page = await rest.call<{ items: { id: string }[] }>("listDeadLetters", {
      params,
      query: { group: "billing", reason: "exhausted", subject: "orders.>", limit: "1", archived: "false" },
    });
    expect(page.items).toMatchObject([{ group: "billing", event_id: "o/1 %2F.>.created" }]);
    const one = { ...params, id: page.items[0]?.id ?? "" };
    expect(await rest.call("getDeadLetter", { params: one })).toMatchObject({ id: one.id });
    expect(await rest.call("countDeadLetters", { params })).toMatchObject({ count: 1 });
    expect(await rest.call("countByReason", { params })).toMatchObject({ groups: [{ dead: 1 }] });
    expect(await rest.call("listFailures", { params })).toMatchObject({ items: [{ count: 1 }] });
    expect(await rest.call("exportDeadLetters", { params })).toMatchObject({ items: [{ id: one.id }] });
    expect(await rest.call("discardDeadLetter", { params: one })).toMatchObject({ is: "discarded" });
    expect(await rest.refused("discardDeadLetter", { params: one })).toMatchObject({ code: "not_found" });
    expect(await rest.call("restoreDeadLetter", { params: one })).toMatchObject({ is: "restored" });
    const filter = { group: "billing" };
    expect(await rest.call("replayDeadLetters", { params, body: { filter, dry_run: true } })).toMatchObject({
      counts: { would_replay: 1 },
    });
    expect(await rest.call("replayDeadLetter", { params: one, body: { force: true } })).toMatchObject({
      counts: { replayed: 1 },
    });
    expect(await rest.call("replayDeadLetters", { params, body: { id: one.id } })).toMatchObject({
      outcomes: [{ outcome: "gone", code: "not_found" }],
    });
  });

  test("answers as the document says: replay jobs", async () => {
    // What the last test has sent back.
    (await take(system.nats)).term();
    await rest.call("publishOrders", { body: { orders: [{ event: "created", order: order("o-2") }] } });
    await settleDead(system.nats, await take(system.nats));
    const body = { stream: "ORDERS", filter: { reason: "exhausted" }, canary: 1, rate_per_second: 10 };
    const { id } = await rest.call<{ id: string }>("createReplayJob", { body });
    const params = { id };
    // Nobody handles its canary, so it waits until it is told otherwise.
    await waitFor("the job to wait", async () => {
      const job = await rest.call("getReplayJob", { params, query: { count_since: "true" } });
      return job["state"] === "waiting_for_canary";
    });
    expect(await rest.call("listReplayJobs", { query: { limit: "5" } })).toMatchObject([
      { id, counts: { selected: 1 } },
    ]);
    expect(await rest.call("listReplayJobOutcomes", { params, query: { limit: "1" } })).toMatchObject({
      items: [{ dlq_seq: expect.any(Number), outcome: "sent" }],
      is_whole: true,
    });
    expect(await rest.call("pauseReplayJob", { params })).toMatchObject({ state: "paused" });
    expect(await rest.call("resumeReplayJob", { params })).toMatchObject({ state: "running" });
    expect(await rest.call("cancelReplayJob", { params })).toMatchObject({ state: "cancelled" });
    expect(await rest.refused("resumeReplayJob", { params })).toMatchObject({
      status: 409,
      code: "job_ended",
    });
    expect(await rest.refused("getReplayJob", { params: { id: "a/b" } })).toMatchObject({ status: 404 });
  });

  const letterOf = async (id: string) => {
    const headers = toMsgHdrs({ "Muster-Dlq-Id": id, "Muster-Dlq-Subject": "orders.created" });
    await system.nats.js.publish("muster.dlq.ORDERS.billing.invalid", "{}", { headers });
    return { stream: "ORDERS", id };
  };

  test.each([
    ..."/%*>?#&+;",
    "a/b",
    "a//b/../c",
    "%2F%00",
    "a.b.>",
    "?x=1#y",
    "\u00e4\u202e\u20ac",
    "a b",
    "...",
    "{id}",
    "__proto__",
    "x".repeat(1024),
  ])("finds a dead letter whose id is %j", async (id) => {
    const params = await letterOf(id);
    expect(await rest.call("getDeadLetter", { params })).toMatchObject(params);
  });

  test.each([".", ".."])("replays a dead letter that no path can name, %j, by the body", async (id) => {
    const { stream } = await letterOf(id);
    expect(await rest.refused("getDeadLetter", { params: { stream, id } })).toMatchObject({
      code: "no_path",
    });
    expect(await rest.call("replayDeadLetters", { params: { stream }, body: { id } })).toMatchObject({
      outcomes: [{ id, outcome: "refused", code: "invalid" }],
    });
  });

  test("answers as the document says: tokens and the audit", async () => {
    const body = { name: "a script", role: "viewer", expires_in_days: 1 };
    const { id } = await rest.call<{ id: string }>("createToken", { body });
    expect(await rest.call("listTokens")).toContainEqual(expect.objectContaining({ id, role: "viewer" }));
    expect(await rest.call("revokeToken", { params: { id } })).toMatchObject({ id });
    expect(await rest.refused("revokeToken", { params: { id: "a/../b" } })).toMatchObject({ status: 404 });
    const query = { action: "groups.delete", limit: "2" };
    const { rows } = await rest.call<{ rows: { outcome: string }[] }>("listAudit", { query });
    expect(rows.map(({ outcome }) => outcome)).toEqual(["done", "begun"]);
  });

  test("was called", () => {
    expect(Object.keys(operations).filter((id) => !rest.called.has(id))).toEqual([]);
  });
});

describe("a request", () => {
  const send = async (method: string, path: string, body?: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${plane.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${tokens.admin}`, "x-request-id": "mine", ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const told = (await response.json()) as { code?: string; detail?: string; request_id?: string };
    return { status: response.status, allow: response.headers.get("allow"), ...told };
  };
  const json = { "content-type": "application/json" };
  const group = "/streams/ORDERS/groups/billing";

  test.each<[string, Parameters<typeof send>, object]>([
    ["no such path", ["GET", "/nothing"], { status: 404, code: "no_path" }],
    ["a path with a slash too many", ["GET", "/groups/"], { status: 404, code: "no_path" }],
    ["an empty id", ["GET", "/streams//groups/billing"], { status: 404, code: "no_path" }],
    ["a prototype's name", ["GET", "/__proto__"], { status: 404, code: "no_path" }],
    ["another method", ["POST", "/groups", "{}", json], { status: 405, allow: "GET" }],
    ["GET on a change", ["GET", `${group}/pause`], { status: 405, allow: "POST" }],
    ["an unknown method", ["PATCH", group, "{}", json], { status: 405, allow: "GET, PUT, DELETE" }],
    ["OPTIONS of no page", ["OPTIONS", "/groups"], { status: 405, allow: "GET" }],
    ["an id that cannot be decoded", ["GET", "/streams/%zz/groups/x"], { status: 400, code: "bad_path" }],
    ["bytes that are no UTF-8", ["GET", "/streams/%ff/groups/x"], { status: 400, code: "bad_path" }],
    ["a name with a slash", ["GET", "/streams/a%2Fb/groups/x"], { status: 400, code: "bad_name" }],
    ["a name with dots", ["GET", "/streams/..%2F..%2Fx/groups/x"], { status: 400, code: "bad_name" }],
    ["a name of wildcards", ["GET", "/streams/%3E/groups/*"], { status: 400, code: "bad_name" }],
    ["a name with a percent sign", ["GET", "/streams/%252F/groups/x"], { status: 400, code: "bad_name" }],
    ["an unknown parameter", ["GET", "/audit?limits=5"], { status: 400, code: "bad_request" }],
    ["a parameter of an operation that has none", ["GET", "/groups?x=1"], { status: 400 }],
    ["a parameter given twice", ["GET", "/audit?limit=5&limit=6"], { status: 400 }],
    ["a number that is none", ["GET", "/audit?limit=1e2"], { status: 400 }],
    ["a boolean that is none", ["DELETE", `${group}?dry_run=1`], { status: 400 }],
    ["a query where a body belongs", ["POST", `${group}/pause?dry_run=true`], { status: 400 }],
    ["a body where a query belongs", ["DELETE", group, '{"dry_run":true}', json], { status: 400 }],
    ["a list for a body", ["POST", "/orders", "[]", json], { status: 400, code: "bad_request" }],
    ["a body that is no JSON", ["POST", "/orders", "{", json], { status: 400, code: "bad_request" }],
    ["a body that is no UTF-8", ["POST", "/orders", '"\ud800"', json], { status: 400 }],
    ["no body where one is needed", ["POST", "/orders"], { status: 400, code: "bad_request" }],
    ["a field that nobody knows", ["POST", `${group}/pause`, '{"force":true}', json], { status: 400 }],
    ["a prototype in the body", ["POST", `${group}/pause`, '{"__proto__":{"a":1}}', json], { status: 400 }],
    ["names that differ", ["POST", `${group}/pause`, '{"group":"other"}', json], { status: 400 }],
    [
      "a spec of another group",
      ["PUT", group, JSON.stringify({ spec: specOf({ group: "other" }) }), json],
      { status: 400, detail: 'group is "billing" in the path and something else in the request' },
    ],
    ["a spec that is none", ["PUT", group, '{"spec":7}', json], { status: 400, code: "bad_request" }],
    ["a form", ["POST", `${group}/pause`, "a=1"], { status: 415, code: "unsupported_media_type" }],
  ])("with %s is refused in words", async (_what, sent, told) => {
    const answered = await send(...sent);
    expect(answered).toMatchObject({ ...told, detail: expect.any(String), request_id: "mine" });
    expect(JSON.stringify(answered)).not.toMatch(/\.ts:\d|node_modules|ZodError/);
  });

  test("outside of the version is answered as one within", async () => {
    for (const path of ["/api", "/api/v1", "/api/v1?x", "/api/v2/groups"])
      expect(await (await fetch(plane.url + path)).json()).toMatchObject({ status: 404, code: "no_path" });
  });

  test("without a token is told how to log in, one too often when to come again", async () => {
    const seen = new Set<string>();
    await waitFor("both", async () => {
      const { status, headers } = await fetch(`${plane.url}/api/v1/groups`);
      seen.add([status, headers.get("www-authenticate"), headers.get("retry-after")].join(" "));
      return seen.size === 2;
    });
    expect(seen).toEqual(new Set(["401 Bearer ", "429  1"]));
  });

  test("has the same audit rows as by tRPC", async () => {
    expect(await send("POST", `${group}/pause`, "{}", json)).toMatchObject({ status: 200 });
    await rest.refused("applyGroup", { params: at, body: {}, token: tokens.viewer });
    const { rows } = await system.client.audit.list.query({ limit: 3 });
    expect(rows.map(({ action, outcome, code, input }) => [action, outcome, code, input])).toEqual([
      ["groups.apply", "refused", "forbidden", undefined],
      ["groups.pause", "done", undefined, undefined],
      ["groups.pause", "begun", undefined, JSON.stringify(at)],
    ]);
    expect(rows[2]).toMatchObject({ before: { paused: false }, actor: { name: "the admin" } });
    expect(rows[1]).toMatchObject({ after: { paused: true } });
    await rest.call("resumeGroup", { params: at });
  });
});

function roleOf(path: string): string | undefined {
  const procedures = appRouter._def.procedures as unknown as Record<
    string,
    { _def: { meta?: { role?: string } } }
  >;
  return procedures[path]?._def.meta?.role;
}
