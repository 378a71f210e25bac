import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "@muster/testkit";
import { createToken } from "../src/access/tokens.ts";
import { readConfig } from "../src/config.ts";
import { createLog } from "../src/log.ts";
import { startControlPlane } from "../src/server.ts";
import { specOf, startSystem } from "./system.ts";

const ours = "https://fleet.example";
const local = "http://localhost:5173";
let system: Awaited<ReturnType<typeof startSystem>>;
let plane: Awaited<ReturnType<typeof startControlPlane>>;
let authorization = "";
beforeAll(async () => {
  system = await startSystem();
  await system.client.groups.apply.mutate({ spec: specOf() });
  plane = await startControlPlane(
    {
      natsUrls: [system.server.url],
      host: "127.0.0.1",
      port: 0,
      auth: "tokens",
      corsOrigins: [ours, local],
      logLevel: "error",
    },
    createLog("error"),
  );
  authorization = `Bearer ${(await createToken(system.nats, { name: "a page", role: "admin" }))?.token}`;
  await waitFor("the control plane", async () => (await fetch(`${plane.url}/readyz`)).ok);
});
afterAll(async () => {
  await plane.close();
  await system[Symbol.asyncDispose]();
});

const corsOf = (response: Response) =>
  Object.fromEntries([...response.headers].filter(([name]) => /^(access-control-|vary$)/.test(name)));

const preflight = (path: string, origin: string, method = "DELETE") =>
  fetch(plane.url + path, {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": method,
      "access-control-request-headers": "authorization,content-type",
    },
  });

const paths = ["/api/v1/groups", "/groups.list", "/openapi.json", "/metrics"];

describe("a page whose origin is listed", () => {
  test.each(paths)("may ask for %s and read the answer", async (path) => {
    const asked = await preflight(path, ours);
    expect([asked.status, await asked.text(), corsOf(asked)]).toEqual([
      204,
      "",
      {
        "access-control-allow-origin": ours,
        "access-control-allow-methods": "GET, POST, PUT, DELETE",
        "access-control-allow-headers": expect.stringMatching(/authorization.*content-type/),
        "access-control-expose-headers": "x-request-id, retry-after",
        "access-control-max-age": "600",
        vary: "origin",
      },
    ]);
    const response = await fetch(plane.url + path, { headers: { origin: local, authorization } });
    expect([response.status, corsOf(response)]).toEqual([
      200,
      {
        "access-control-allow-origin": local,
        "access-control-expose-headers": "x-request-id, retry-after",
        vary: expect.stringMatching(/\borigin$/),
      },
    ]);
  });

  test("may read why it was refused, and still needs a token and a type", async () => {
    const answers = await Promise.all([
      fetch(`${plane.url}/api/v1/groups`, { headers: { origin: ours } }),
      fetch(`${plane.url}/api/v1/streams/ORDERS/groups/billing/pause`, {
        method: "POST",
        headers: { origin: ours, authorization },
      }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([401, 415]);
    for (const answer of answers)
      expect(corsOf(answer)).toMatchObject({ "access-control-allow-origin": ours });
  });
});

describe("a page of another origin", () => {
  test.each([
    ["null", "null"],
    ["another name", "https://evil.example"],
    ["ours with a suffix", "https://fleet.example.evil.example"],
    ["ours with a prefix", "https://evilfleet.example"],
    ["a part of ours", "https://fleet"],
    ["another scheme", "http://fleet.example"],
    ["another port", "https://fleet.example:8443"],
    ["the default port, which browsers leave out", "https://fleet.example:443"],
    ["no port where ours has one", "http://localhost"],
    ["upper case, which browsers do not send", "HTTPS://FLEET.EXAMPLE"],
    ["a path", "https://fleet.example/"],
    ["a user", "https://x@fleet.example"],
    ["two", "https://fleet.example, https://evil.example"],
    ["a wildcard", "*"],
    ["nothing", ""],
  ])("(%s) is refused, asked before or not, and hears of no other", async (_what, origin) => {
    for (const response of [
      await preflight("/api/v1/groups", origin),
      await fetch(`${plane.url}/api/v1/groups`, { headers: { origin, authorization } }),
      await fetch(`${plane.url}/groups.list`, { headers: { origin, authorization } }),
    ]) {
      const text = await response.text();
      expect([response.status, corsOf(response)]).toEqual([403, { vary: "origin" }]);
      expect(text + JSON.stringify([...response.headers])).not.toMatch(/fleet\.example|localhost:5173/);
    }
  });

  test("changes nothing", async () => {
    const url = `${plane.url}/api/v1/streams/ORDERS/groups/billing`;
    const headers = { origin: "https://evil.example", authorization, "content-type": "application/json" };
    expect((await fetch(`${url}/pause`, { method: "POST", headers, body: "{}" })).status).toBe(403);
    expect((await fetch(`${url}?confirm=billing`, { method: "DELETE", headers })).status).toBe(403);
    const { spec } = await system.client.groups.get.query({ stream: "ORDERS", group: "billing" });
    expect(spec.paused).toBe(false);
  });
});

test("OPTIONS from no page is no method of ours", async () => {
  expect((await fetch(`${plane.url}/api/v1/groups`, { method: "OPTIONS" })).status).toBe(405);
});

describe("MUSTER_CORS_ORIGINS", () => {
  const read = (origins: string) =>
    readConfig({ NATS_URL: "nats://a:4222", MUSTER_CORS_ORIGINS: origins, MUSTER_AUTH: "tokens" });

  test("lists origins as browsers send them", () => {
    expect(read("https://fleet.example, http://localhost:5173")).toMatchObject({
      ok: true,
      config: { corsOrigins: [ours, local] },
    });
    expect(read("")).toMatchObject({ ok: true, config: { corsOrigins: undefined } });
  });

  test.each([
    "*",
    "null",
    "https://*.example",
    "fleet.example",
    "https://fleet.example/",
    "ftp://x",
    `${ours},`,
    "https://FLEET.example",
    "https://fleet.example:443",
  ])("%s is refused", (origins) => {
    expect(read(origins)).toEqual({
      ok: false,
      problems: [expect.stringMatching(/^MUSTER_CORS_ORIGINS must be origins as browsers send them/)],
    });
  });
});
