import { request } from "node:http";
import { connect } from "node:net";
import { freePort, startNats, waitFor } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLog } from "../src/log.ts";
import { startControlPlane } from "../src/server.ts";
import { clientOf, order, specOf, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
let url: string;
beforeAll(async () => {
  system = await startSystem();
  ({ url } = system.controlPlane);
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

const json = { "content-type": "application/json" };

describe("hostile requests", () => {
  test.each([
    ["a GET of a mutation", "/groups.apply?input={}", { method: "GET" }, 405],
    ["a POST of a query", "/groups.list", { method: "POST", headers: json, body: "{}" }, 405],
    ["another method", "/groups.list", { method: "DELETE" }, 405],
    ["a procedure that is not there", "/groups.destroy", {}, 404],
    ["a prototype's name", "/__proto__.constructor", {}, 404],
    ["bad JSON", "/groups.apply", { method: "POST", headers: json, body: "{" }, 400],
    ["a body that is no object", "/groups.apply", { method: "POST", headers: json, body: "[]" }, 400],
    ["a form", "/groups.apply", { method: "POST", body: new URLSearchParams({ a: "1" }) }, 415],
    ["plain text", "/groups.apply", { method: "POST", body: "{}" }, 415],
    ["a batch", "/groups.list,groups.list?batch=1", {}, 400],
    ["another origin", "/groups.list", { headers: { origin: "http://evil.example" } }, 403],
    [
      "a body above 1 MiB",
      "/orders.publish",
      { method: "POST", headers: json, body: JSON.stringify({ x: "y".repeat(1 << 20) }) },
      413,
    ],
    [
      "an id with subject characters",
      `/groups.get?input=${encodeURIComponent('{"stream":"ORDERS.>","group":"*"}')}`,
      {},
      400,
    ],
  ])("%s is answered with JSON and nothing of our insides", async (_what, path, init, status) => {
    const response = await fetch(url + path, init);
    const body = await response.text();
    expect([response.status, body]).toEqual([status, expect.stringContaining('"error"')]);
    expect(body).not.toMatch(/\bat .*\.ts|node_modules|"stack"/);
    JSON.parse(body);
  });

  test("a body above 1 MiB that does not say its length", async () => {
    const status = await new Promise((resolve, reject) => {
      const sent = request(
        `${url}/orders.publish`,
        { method: "POST", headers: { ...json, "transfer-encoding": "chunked" } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      sent.on("error", reject);
      for (let i = 0; i < 20; i++) sent.write("x".repeat(65_536));
      sent.end();
    });
    expect(status).toBe(413);
  });

  test("a name that a web page made point to loopback", async () => {
    const { hostname, port } = new URL(url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () =>
        socket.write("GET /groups.list HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
      );
      let text = "";
      socket.on("data", (data) => (text += String(data)));
      socket.on("close", () => resolve(text));
      socket.on("error", reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 421/);
  });

  test("wrong input is named in words", async () => {
    const wrong = system.client.groups.apply.mutate({ spec: { ...specOf(), concurrency: 0 } });
    await expect(wrong).rejects.toMatchObject({
      message: expect.stringContaining("spec.concurrency: "),
      data: { muster_code: "bad_request" },
    });
  });
});

describe("NATS away", () => {
  test("down at start: live but not ready, a clear error, and work as soon as it is there", async () => {
    const port = await freePort();
    await using controlPlane = await startControlPlane(
      {
        natsUrls: [`nats://user:secret@127.0.0.1:${port}`],
        host: "127.0.0.1",
        port: 0,
        auth: "off",
        logLevel: "error",
      },
      createLog("error"),
    );
    expect((await fetch(`${controlPlane.url}/livez`)).status).toBe(200);
    expect((await fetch(`${controlPlane.url}/readyz`)).status).toBe(503);
    const client = clientOf(controlPlane.url);
    await expect(client.groups.list.query()).rejects.toMatchObject({
      data: { muster_code: "nats_down", httpStatus: 503 },
      message: expect.not.stringContaining("secret"),
    });
    await using server = await startNats({ port });
    await waitFor("readiness", async () => (await fetch(`${controlPlane.url}/readyz`)).ok);
    expect(await client.groups.list.query()).toEqual([]);

    await client.groups.apply.mutate({ spec: specOf() });
    await server.kill();
    await waitFor("not ready", async () => (await fetch(`${controlPlane.url}/readyz`)).status === 503);
    await expect(
      client.orders.publish.mutate({ orders: [{ event: "created", order: order("x") }] }),
    ).rejects.toMatchObject({ data: { muster_code: "nats_down" } });
    await server.restart();
    await waitFor("readiness again", async () => (await fetch(`${controlPlane.url}/readyz`)).ok);
    const sent = await waitFor("an order taken", () =>
      client.orders.publish
        .mutate({ orders: [{ event: "created", order: order("x") }] })
        .catch(() => undefined),
    );
    expect(sent.counts).toEqual({ published: 1 });
  });
});
