import { request, type ClientRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { waitFor } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createToken, revokeToken } from "../src/access/tokens.ts";
import { createLog } from "../src/log.ts";
import { startControlPlane } from "../src/server.ts";
import { specOf, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
let plane: Awaited<ReturnType<typeof startControlPlane>>;
const tokens = { ada: "", bob: "" };
const patience = { headersMs: 1000, requestMs: 2000 };
beforeAll(async () => {
  system = await startSystem();
  await system.client.groups.apply.mutate({ spec: specOf() });
  plane = await startControlPlane(
    {
      natsUrls: [system.server.url],
      host: "127.0.0.1",
      port: 0,
      auth: "tokens",
      logLevel: "error",
      patience,
    },
    createLog("error"),
  );
  for (const name of ["ada", "bob"] as const)
    tokens[name] = (await createToken(system.nats, { name, role: "admin" }))?.token ?? "";
  await waitFor("the control plane", async () => (await fetch(`${plane.url}/readyz`)).ok);
});
afterAll(async () => {
  await plane.close();
  await system[Symbol.asyncDispose]();
});

/** The same change by both interfaces, and how each says that something went wrong. */
const interfaces = [
  ["tRPC", { change: "/orders.publish", look: "/groups.list", codeOf: /"muster_code":"([a-z_]+)"/ }],
  ["REST", { change: "/api/v1/orders", look: "/api/v1/groups", codeOf: /"code":"([a-z_]+)"/ }],
] as const;

type Sending = {
  method?: string;
  headers?: Record<string, string>;
  write?: (sending: ClientRequest) => void;
};

/** Sends without a library that would refuse to; gives the status, and the code that the answer tells. */
function send(path: string, codeOf: RegExp, { method = "POST", headers = {}, write }: Sending = {}) {
  return new Promise<[number, string | undefined]>((resolve, reject) => {
    const sending = request(plane.url + path, {
      method,
      headers: { authorization: `Bearer ${tokens.ada}`, ...headers },
    });
    sending.on("response", (response: IncomingMessage) => {
      let text = "";
      response.on("data", (chunk) => (text += String(chunk)));
      response.on("end", () => resolve([response.statusCode ?? 0, codeOf.exec(text)?.[1]]));
      response.on("error", reject);
    });
    // The server closes before it was told everything: the answer is what counts.
    sending.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "ECONNRESET") reject(error);
    });
    if (write === undefined) sending.end();
    else write(sending);
  });
}

const json = { "content-type": "application/json" };
const MiB = 1024 * 1024;

describe.each(interfaces)("by %s", (_name, { change, look, codeOf }) => {
  test("a body of 10 MB that tells its length is not read", async () => {
    const headers = { ...json, "content-length": String(10 * MiB) };
    const answered = await send(change, codeOf, { headers, write: (sending) => sending.write("{") });
    expect(answered).toEqual([413, "payload_too_large"]);
  });

  test("a body of 10 MB that does not tell its length is read to its limit", async () => {
    let sent = 0;
    const answered = await send(change, codeOf, {
      headers: { ...json, "transfer-encoding": "chunked" },
      write: (sending) => {
        sending.write('{"x":"');
        const more = () => {
          while (sent < 10 * MiB && !sending.destroyed) {
            sent += 65_536;
            if (!sending.write("x".repeat(65_536))) return void sending.once("drain", more);
          }
          sending.end('"}');
        };
        more();
      },
    });
    expect(answered).toEqual([413, "payload_too_large"]);
  });

  test("a gzip bomb is not unpacked", async () => {
    const bomb = gzipSync(Buffer.alloc(100 * MiB, " "));
    expect(bomb.byteLength).toBeLessThan(MiB);
    const headers = { ...json, "content-encoding": "gzip" };
    const answered = await send(change, codeOf, { headers, write: (sending) => sending.end(bomb) });
    expect(answered).toEqual([415, "unsupported_encoding"]);
  });

  test.each([
    [
      "multipart",
      'multipart/form-data; boundary="x"',
      '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--',
    ],
    ["a form", "application/x-www-form-urlencoded", "orders=1"],
    ["text that a page may send", "text/plain", '{"orders":[]}'],
    ["what only begins like JSON", "application/json-patch+json", "[]"],
  ])("%s is refused", async (_what, type, body) => {
    const headers = { "content-type": type };
    const answered = await send(change, codeOf, { headers, write: (sending) => sending.end(body) });
    expect(answered).toEqual([415, "unsupported_media_type"]);
  });

  test("a header of 64 KiB is refused before anything is looked at", async () => {
    const answered = await send(look, codeOf, { method: "GET", headers: { "x-long": "x".repeat(65_536) } });
    expect(answered[0]).toBe(431);
  });

  test("a URL that is too long is refused", async () => {
    const answered = await send(`${look}?x=${"y".repeat(13_000)}`, codeOf, { method: "GET" });
    expect(answered).toEqual([414, "uri_too_long"]);
  });

  test("a GET changes nothing", async () => {
    const answered = await send(change, codeOf, { method: "GET" });
    expect(answered).toEqual([405, expect.stringMatching(/^method_not_supported$/)]);
  });

  test.each([
    ["null", "null"],
    ["another", "http://evil.example"],
    ["one that begins like ours", () => `${plane.url}.evil.example`],
    ["one that ends like ours", () => plane.url.replace("http://", "http://evil")],
    ["our name by another scheme", () => plane.url.replace("http:", "https:")],
    ["our name at another port", () => plane.url.replace(/\d+$/, "1")],
    ["our name at no port", () => plane.url.replace(/:\d+$/, "")],
  ])("%s as the origin is refused, and told nothing", async (_what, origin) => {
    const given = typeof origin === "string" ? origin : origin();
    const response = await fetch(plane.url + look, {
      headers: { authorization: `Bearer ${tokens.ada}`, origin: given },
    });
    expect([response.status, codeOf.exec(await response.text())?.[1]]).toEqual([403, "wrong_origin"]);
    expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  test.each([
    ["its headers", `GET ${look} HTTP/1.1\r\nHost: 127.0.0.1\r\n`, "X-More: 1\r\n"],
    [
      "its body",
      `POST ${change} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nAUTH\r\n{`,
      " ",
    ],
  ])("who sends %s drop by drop is cut off", async (_what, begin, drop) => {
    const { hostname, port } = new URL(plane.url);
    const socket = connect(Number(port), hostname);
    let text = "";
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (data) => (text += String(data)));
    socket.on("error", () => undefined);
    socket.write(begin.replace("AUTH", `Authorization: Bearer ${tokens.ada}\r\n`));
    const dripping = setInterval(() => socket.write(drop), 100);
    await closed;
    clearInterval(dripping);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
  });
});

test("a batch of 1,000 is refused as one", async () => {
  const path = `/${Array.from({ length: 1000 }, () => "groups.list").join(",")}?batch=1&input={}`;
  expect(await send(path, /"muster_code":"([a-z_]+)"/, { method: "GET" })).toEqual([400, "bad_request"]);
});

describe("streams", () => {
  const open = async (path: string, token: string) => {
    const stop = new AbortController();
    const response = await fetch(plane.url + path, {
      headers: { authorization: `Bearer ${token}`, accept: "text/event-stream" },
      signal: stop.signal,
    });
    return { response, close: () => stop.abort() };
  };
  const trpc = "/groups.events?input={}";
  const rest = "/api/v1/member-events";

  test("of one token are counted over both interfaces, and leave room for others", async () => {
    const streams = await Promise.all(
      Array.from({ length: 32 }, (_, i) => open(i % 2 === 0 ? trpc : rest, tokens.ada)),
    );
    expect(new Set(streams.map(({ response }) => response.status))).toEqual(new Set([200]));
    // tRPC tells its errors in the stream, which ends with them.
    for (const [path, status] of [
      [trpc, 200],
      [rest, 429],
    ] as const) {
      const { response } = await open(path, tokens.ada);
      expect([response.status, await response.text()]).toEqual([
        status,
        expect.stringContaining("too_many_streams"),
      ]);
    }
    const other = await open(rest, tokens.bob);
    expect(other.response.status).toBe(200);
    // One whose listener leaves gives its place back: the last is of REST, the one before it of tRPC.
    for (const stream of streams.splice(-2)) {
      stream.close();
      streams.push(
        await waitFor("a place", async () => {
          const next = await open(rest, tokens.ada);
          return next.response.status === 200 ? next : undefined;
        }),
      );
      const { response } = await open(rest, tokens.ada);
      expect(response.status).toBe(429);
    }
    for (const { close } of [...streams, other]) close();
    await waitFor("all 32 places of ada", async () => {
      const next = await Promise.all(Array.from({ length: 32 }, () => open(rest, tokens.ada)));
      for (const { close } of next) close();
      return next.every(({ response }) => response.status === 200);
    });
  });

  test.each([trpc, rest])("end soon after their token does (%s)", async (path) => {
    const { token = "", id = "" } = (await createToken(system.nats, { name: "eve", role: "viewer" })) ?? {};
    // Opened first, it would be sent away first.
    const stays = await open(path, tokens.bob);
    let isClosed = false;
    const bobs = stays.response.text().then(
      () => (isClosed = true),
      () => undefined,
    );
    const { response } = await open(path, token);
    await revokeToken(system.nats, id);
    // Ends by itself: reading to its end is the wait.
    expect(await response.text()).not.toContain("unauthorized");
    expect(isClosed).toBe(false);
    stays.close();
    await bobs;
  });
});
