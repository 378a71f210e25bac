import { createTRPCClient, httpLink } from "@trpc/client";
import { waitFor } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RateLimit } from "../src/access/rate.ts";
import { createToken } from "../src/access/tokens.ts";
import { writeAudit } from "../src/access/audit.ts";
import { readConfig } from "../src/config.ts";
import { getEntry, putEntry, readBucket } from "../src/nats/bucket.ts";
import { appRouter, type AppRouter } from "../src/router.ts";
import { createLog } from "../src/log.ts";
import { startControlPlane } from "../src/server.ts";
import { order, refusalOf, specOf, startPlane, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
let url: string;
let closed: Awaited<ReturnType<typeof startPlane>>;
let first = "";
beforeAll(async () => {
  system = await startSystem();
  const config = tokensConfig();
  const plane = await startControlPlane(config, createLog("error"), (token) => (first = token));
  closed = { ...plane, client: system.client };
  url = plane.url;
  await waitFor("the first token", () => first !== "");
});
afterAll(async () => {
  await closed.close();
  await system[Symbol.asyncDispose]();
});

function tokensConfig() {
  const { url: natsUrl } = system.server;
  return {
    natsUrls: [natsUrl],
    host: "127.0.0.1",
    port: 0,
    auth: "tokens" as const,
    logLevel: "error" as const,
  };
}

function as(token: string) {
  return createTRPCClient<AppRouter>({
    links: [httpLink({ url, headers: { authorization: `Bearer ${token}` } })],
  });
}

const made = async (role: "viewer" | "operator" | "admin", expires_in_days?: number) => {
  const { token, id } = await as(first).tokens.create.mutate({
    name: `a ${role}`,
    role,
    expires_in_days,
  });
  return { token, id, client: as(token) };
};

const statusOf = async (authorization?: string) =>
  (await fetch(`${url}/groups.list`, { headers: authorization === undefined ? {} : { authorization } }))
    .status;

/** What strangers get once they are not slowed down: all of these come from one address. */
const firstStatus = (authorization?: string) =>
  waitFor("an answer that is no slowing down", async () => {
    const status = await statusOf(authorization);
    return status === 429 ? undefined : status;
  });

describe("a token", () => {
  test("is made for the first admin once, however many control planes start", async () => {
    const shown: string[] = [];
    const config = tokensConfig();
    await using other = await startControlPlane(config, createLog("error"), (token) => shown.push(token));
    await waitFor("it to be connected", async () => (await fetch(`${other.url}/readyz`)).ok);
    await as(first).groups.list.query();
    expect(shown).toEqual([]);
    expect(await as(first).tokens.list.query()).toMatchObject([{ id: "firstadmin", role: "admin" }]);
  });

  test("lies in NATS as a hash only, and is told without it", async () => {
    const { token, id } = await made("viewer");
    const secret = token.split("_").slice(2).join("_");
    const values = [...(await readBucket(system.nats, "MUSTER_TOKENS", ">")).values()].map(({ value }) =>
      new TextDecoder().decode(value),
    );
    expect(values.join()).toContain(id);
    expect(values.join()).not.toContain(secret);
    expect(JSON.stringify(await as(first).tokens.list.query())).not.toContain("sha256");
  });

  test.each<[string, () => Promise<string | undefined>]>([
    ["none", async () => undefined],
    ["an empty one", async () => "Bearer "],
    ["another scheme", async () => `Basic ${first}`],
    ["a forged one of a known id", async () => `Bearer mst_firstadmin_${"A".repeat(43)}`],
    ["an unknown id", async () => `Bearer mst_0123456789_${"A".repeat(43)}`],
    ["a subject for an id", async () => `Bearer mst_>_${"A".repeat(43)}`],
    ["one with a line break in it", async () => `Bearer ${first} x`],
    ["an expired one", async () => `Bearer ${(await made("admin", 1e-9)).token}`],
    [
      "a revoked one",
      async () => {
        const { token, id } = await made("admin");
        expect(await statusOf(`Bearer ${token}`)).toBe(200);
        await as(first).tokens.revoke.mutate({ id });
        return `Bearer ${token}`;
      },
    ],
  ])("%s is refused", async (_what, authorization) => {
    const given = await authorization();
    expect(await firstStatus(given)).toBe(401);
    expect(
      (await fetch(`${url}/metrics`, { headers: given === undefined ? {} : { authorization: given } }))
        .status,
    ).not.toBe(200);
  });

  test("tells when it was used, and can be revoked twice", async () => {
    const { client, id } = await made("viewer");
    await client.groups.list.query();
    expect((await as(first).tokens.list.query()).find((token) => token.id === id)?.last_used_at).toMatch(
      /^20/,
    );
    const { revoked_at } = await as(first).tokens.revoke.mutate({ id });
    expect(await as(first).tokens.revoke.mutate({ id })).toEqual({ id, revoked_at });
    expect(await refusalOf(as(first).tokens.revoke.mutate({ id: "a.>" }))).toMatchObject({
      code: "not_found",
    });
  });
});

describe("a role", () => {
  test("is declared by every procedure", () => {
    const procedures = Object.entries(appRouter._def.procedures) as [
      string,
      { _def: { meta?: { role?: string } } },
    ][];
    expect(procedures.length).toBeGreaterThan(15);
    for (const [path, { _def }] of procedures)
      expect([path, _def.meta?.role]).toEqual([path, expect.stringMatching(/^(viewer|operator|admin)$/)]);
  });

  test("bounds what may be done", async () => {
    const viewer = (await made("viewer")).client;
    const operator = (await made("operator")).client;
    await as(first).groups.apply.mutate({ spec: specOf() });
    const at = { stream: "ORDERS", group: "billing" };
    expect(await viewer.groups.get.query(at)).toMatchObject(at);
    expect(await viewer.groups.plan.mutate({ spec: specOf() })).toMatchObject(at);
    expect(await refusalOf(viewer.groups.pause.mutate(at))).toEqual({
      code: "forbidden",
      message: "this needs role operator, token a viewer has viewer",
    });
    expect(await operator.groups.pause.mutate(at)).toMatchObject({ paused: true });
    const calls = [
      () => operator.groups.apply.mutate({ spec: specOf() }),
      () => operator.tokens.list.query(),
      () => viewer.audit.list.query({}),
    ];
    for (const call of calls) expect(await refusalOf(call())).toMatchObject({ code: "forbidden" });
  });
});

describe("the audit", () => {
  test("has each change with what was before and after, and each refusal", async () => {
    const at = { stream: "AUDIT", group: "billing" };
    const spec = specOf({ ...at, subjects: ["audit.>"] });
    const { client, id } = await made("operator");
    await as(first).groups.apply.mutate({ spec });
    await client.groups.pause.mutate(at);
    await refusalOf(client.groups.delete.mutate({ ...at, confirm: "billing" }));
    await refusalOf(as(first).groups.delete.mutate({ ...at, confirm: "no" }));
    const { rows } = await as(first).audit.list.query({ limit: 6 });
    expect(rows.map(({ action, outcome, code, actor }) => [action, outcome, code, actor.id])).toEqual([
      ["groups.delete", "refused", "not_confirmed", "firstadmin"],
      ["groups.delete", "begun", undefined, "firstadmin"],
      ["groups.delete", "refused", "forbidden", id],
      ["groups.pause", "done", undefined, id],
      ["groups.pause", "begun", undefined, id],
      ["groups.apply", "done", undefined, "firstadmin"],
    ]);
    expect(rows[4]).toMatchObject({
      before: { paused: false },
      input: JSON.stringify(at),
      request_id: rows[3]?.request_id,
    });
    expect(rows[3]).toMatchObject({ after: { paused: true } });
    const theirs = await as(first).audit.list.query({ actor: id, action: "groups.pause", limit: 1 });
    expect(theirs.rows).toHaveLength(1);
    const older = await as(first).audit.list.query({
      actor: id,
      action: "groups.pause",
      cursor: theirs.next,
    });
    expect(older.rows.map(({ outcome }) => outcome)).toEqual(["begun"]);
  });

  test("has no secret of a token that was made", async () => {
    const { token } = await made("viewer");
    const { rows } = await as(first).audit.list.query({ action: "tokens.create" });
    // The secret may hold the separator itself.
    const secret = token.split("_").slice(2).join("_");
    expect(secret.length).toBeGreaterThan(20);
    expect(JSON.stringify(rows)).not.toContain(secret);
  });

  test("that takes no row lets nothing be changed", async () => {
    const { nats } = system;
    const { config, state } = await nats.jsm.streams.info("MUSTER_AUDIT");
    await nats.jsm.streams.update("MUSTER_AUDIT", { max_msgs: state.messages });
    const at = { stream: "ORDERS", group: "billing" };
    const { spec } = await as(first).groups.get.query(at);
    expect(await refusalOf(as(first).groups[spec.paused ? "resume" : "pause"].mutate(at))).toMatchObject({
      code: "no_audit",
    });
    expect((await as(first).groups.get.query(at)).spec.paused).toBe(spec.paused);
    await nats.jsm.streams.update("MUSTER_AUDIT", { max_msgs: config.max_msgs });
  });

  test("that is full by the time a change is made does not hide that it was made", async () => {
    const { nats } = system;
    const { config, state } = await nats.jsm.streams.info("MUSTER_AUDIT");
    await nats.jsm.streams.update("MUSTER_AUDIT", { max_msgs: state.messages + 1 });
    const at = { stream: "ORDERS", group: "billing" };
    const { paused } = (await as(first).groups.get.query(at)).spec;
    expect(await as(first).groups[paused ? "resume" : "pause"].mutate(at)).toMatchObject({
      change: "updated",
    });
    await nats.jsm.streams.update("MUSTER_AUDIT", { max_msgs: config.max_msgs });
    expect((await as(first).audit.list.query({ limit: 1 })).rows).toMatchObject([{ outcome: "begun" }]);
  });

  test("tells bad input from what broke, and keeps nobody from mending a record that cannot be read", async () => {
    await refusalOf(as(first).groups.pause.mutate({ stream: "ORDERS" } as never));
    expect((await as(first).audit.list.query({ limit: 1 })).rows).toMatchObject([
      { action: "groups.pause", outcome: "refused", code: "bad_request" },
    ]);
    const key = "BROKEN.billing";
    await putEntry(system.nats, "MUSTER_GROUPS", key, "{", 0);
    const at = { stream: "BROKEN", group: "billing" };
    expect(await refusalOf(as(first).groups.pause.mutate(at))).toMatchObject({ code: "bad_record" });
    expect((await as(first).audit.list.query({ limit: 1 })).rows).toMatchObject([{ after: "{" }]);
  });

  test("has nothing of the orders that somebody published", async () => {
    await as(first).orders.publish.mutate({
      orders: [{ event: "created", order: { ...order("o1"), customer: "Ada Lovelace" } }],
    });
    const { rows } = await as(first).audit.list.query({ action: "orders.publish" });
    expect(rows.map(({ outcome }) => outcome)).toEqual(["done", "begun"]);
    expect(JSON.stringify(rows)).not.toContain("Lovelace");
  });

  test("cannot be deleted from, and has rows of others that are none", async () => {
    const { nats } = system;
    await expect(nats.jsm.streams.purge("MUSTER_AUDIT")).rejects.toThrow();
    await nats.js.publish("muster.audit.forged", "{");
    await writeAudit(nats, {
      actor: { id: "x", name: "x", role: "viewer" },
      action: "x",
      request_id: "r",
      outcome: "done",
    });
    expect((await as(first).audit.list.query({ limit: 1 })).rows).toMatchObject([{ action: "x" }]);
  });
});

describe("requests", () => {
  test("carry an id, given or made, and nothing that a browser could use", async () => {
    const answer = await fetch(`${url}/groups.get?input={}`, {
      headers: { authorization: `Bearer ${first}`, "x-request-id": "my-id_1" },
    });
    expect(answer.headers.get("x-request-id")).toBe("my-id_1");
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await answer.json()).toMatchObject({ error: { data: { request_id: "my-id_1" } } });
    const other = await fetch(`${url}/groups.list`, { headers: { "x-request-id": "<script>" } });
    expect(other.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("are slowed down, each sender by itself", () => {
    const limit = new RateLimit(10);
    const answers = Array.from({ length: 25 }, () => limit.take("a", 0));
    expect(answers.filter(Boolean)).toHaveLength(20);
    expect([limit.take("b", 0), limit.take("a", 0), limit.take("a", 150)]).toEqual([true, false, true]);
    for (let n = 0; n < 20_000; n++) limit.take(`stranger ${n}`, 200);
    expect(limit.take("b", 200)).toBe(true);
  });

  test("need a login wherever others can reach it", () => {
    const env = { NATS_URL: "nats://a:4222", MUSTER_HOST: "0.0.0.0" };
    expect(readConfig(env)).toMatchObject({ ok: true, config: { auth: "tokens" } });
    expect(readConfig({ ...env, MUSTER_AUTH: "off" })).toEqual({
      ok: false,
      problems: [expect.stringContaining("loopback only")],
    });
    expect(readConfig({ ...env, MUSTER_HOST: "" })).toMatchObject({ config: { auth: "off" } });
  });

  test("with a record that was tampered with are refused", async () => {
    const { nats } = system;
    const { id, token } = (await createToken(nats, { name: "t", role: "viewer" })) ?? { id: "", token: "" };
    const entry = await getEntry(nats, "MUSTER_TOKENS", id);
    const text = new TextDecoder().decode(entry?.value);
    const short = text.replace(/"sha256":"[0-9a-f]+"/, '"sha256":"00"');
    expect(short).not.toBe(text);
    await putEntry(nats, "MUSTER_TOKENS", id, short, entry?.revision ?? 0);
    expect(await firstStatus(`Bearer ${token}`)).toBe(401);
  });
});
