import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { waitFor } from "@muster/testkit";
import { type HttpEndpoint, type HttpOptions, startHttp } from "../src/http.ts";
import { Metrics } from "../src/metrics.ts";

const lines: string[] = [];
const log = pino({ base: null }, { write: (line: string) => lines.push(line) });
const state: { live: ReturnType<HttpOptions["live"]>; ready: ReturnType<HttpOptions["ready"]> } = {
  live: { ok: true },
  ready: { ok: true, why: [] },
};
let metrics: () => Promise<string>;
let endpoint: HttpEndpoint;

beforeEach(async () => {
  lines.length = 0;
  state.live = { ok: true };
  state.ready = { ok: true, why: [] };
  metrics = async () => "muster_ready 1\n";
  endpoint = await startHttp(
    {
      host: "127.0.0.1",
      port: 0,
      live: () => state.live,
      ready: () => state.ready,
      metrics: () => metrics(),
    },
    log,
  );
});
afterEach(() => endpoint.close());

test("a live and ready worker says so", async () => {
  for (const [path, body] of [
    ["/livez", '{"live":true}'],
    ["/readyz", '{"ready":true}'],
    ["/readyz?verbose=1", '{"ready":true}'],
  ] as const) {
    const response = await get(path);
    expect([response.status, await response.text()]).toEqual([200, body]);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("cache-control")).toBe("no-store");
  }
});

test("a worker that is not live or not ready says why", async () => {
  state.live = { ok: false, why: "all slots past their deadline" };
  state.ready = { ok: false, why: ["draining", "degraded"] };
  const live = await get("/livez");
  expect([live.status, await live.json()]).toEqual([
    503,
    { live: false, why: "all slots past their deadline" },
  ]);
  const ready = await get("/readyz");
  expect([ready.status, await ready.json()]).toEqual([503, { ready: false, why: ["draining", "degraded"] }]);
});

test("the metrics come in Prometheus' format", async () => {
  const owner = { stream: "S", group: "g", member: "m", coreVersion: "1", appVersion: "2" };
  const worker = new Metrics(owner, () => {
    throw new Error("asked too early");
  });
  metrics = async () => (await worker.registry()).getSingleMetricAsString("muster_build_info");
  const response = await get("/metrics");
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(await response.text()).toContain('muster_build_info{core_version="1",app_version="2",stream="S"');
});

test("anything else is not found, and only GET and HEAD are allowed", async () => {
  for (const path of ["/", "/healthz", "/livez/", "//livez", "/metrics/../livez%2f", "/LIVEZ"]) {
    const response = await get(path);
    expect([path, response.status, await response.text()]).toEqual([path, 404, '{"error":"not found"}']);
  }
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const response = await get("/readyz", { method });
    expect([method, response.status]).toEqual([method, 405]);
    expect(response.headers.get("allow")).toBe("GET, HEAD");
  }
  const head = await get("/readyz", { method: "HEAD" });
  expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "14", ""]);
});

test("a failure inside is a 500 that tells the client nothing, and the log all", async () => {
  metrics = () => Promise.reject(new Error("secret detail"));
  const response = await get("/metrics");
  expect([response.status, await response.text()]).toEqual([500, '{"error":"internal error"}']);
  expect(lines.join()).toContain("secret detail");
  expect((await get("/livez")).status).toBe(200);
});

test("the port in use is named, with the variable that chooses it", async () => {
  const options = { host: "127.0.0.1", live: () => state.live, ready: () => state.ready, metrics };
  await expect(startHttp({ ...options, port: endpoint.port }, log)).rejects.toMatchObject({
    code: "port_in_use",
    message: expect.stringMatching(new RegExp(`${endpoint.port} of 127\\.0\\.0\\.1.*MUSTER_HTTP_PORT`)),
  });
  await expect(startHttp({ ...options, host: "203.0.113.1", port: 0 }, log)).rejects.toMatchObject({
    code: "cannot_listen",
    message: expect.stringContaining("MUSTER_HTTP_HOST"),
  });
});

test("port 0 takes a free one, which the log names", () => {
  expect(endpoint.port).toBeGreaterThan(0);
  const listening = lines.map((line): unknown => JSON.parse(line));
  expect(listening).toEqual([
    expect.objectContaining({ msg: "listening", http_host: "127.0.0.1", http_port: endpoint.port }),
  ]);
});

test("closing ends it at once, whatever is open, and may be done twice", async () => {
  const idle = await open();
  const half = await open("GET /livez HTTP/1.1\r\nHost: x\r\n");
  metrics = () => new Promise(() => undefined);
  const waiting = await open("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  const began = performance.now();
  await Promise.all([endpoint.close(), endpoint.close()]);
  await Promise.all([idle.said, half.said, waiting.said]);
  expect(performance.now() - began).toBeLessThan(2000);
  // The port is free again.
  const again = createServer().listen(endpoint.port, "127.0.0.1");
  await once(again, "listening");
  again.close();
});

test("garbage is refused and does no harm", async () => {
  const garbage = [
    Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 37) % 256)),
    Buffer.from("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", "latin1"),
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET /livez HTTP/1.1\r\nBad Header: x\r\n\r\n",
    "GET /livez HTTP/9.9\r\n\r\n",
    "GET /livez HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "\r\n".repeat(2000),
  ];
  for (const bytes of garbage) {
    const client = await open(bytes);
    client.socket.end();
    await client.said;
    expect((await get("/livez")).status).toBe(200);
  }
});

test("huge headers are refused", async () => {
  const big = await open(`GET /livez HTTP/1.1\r\nHost: x\r\nX-Big: ${"x".repeat(20_000)}\r\n\r\n`);
  expect(await big.said).toMatch(/^HTTP\/1\.1 431 /);
  const endless = await open("GET /livez HTTP/1.1\r\nHost: x\r\n");
  const line = `X-More: ${"y".repeat(500)}\r\n`;
  const sent = setInterval(() => endless.socket.write(line), 1);
  expect(await endless.said).toMatch(/^HTTP\/1\.1 431 /);
  clearInterval(sent);
});

test("a body is not waited for, and ends the connection", async () => {
  const announced = await open("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n");
  expect(await announced.said).toMatch(/^HTTP\/1\.1 405 (?![^]*keep-alive)/);
  const chunked = await open("GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  expect(await chunked.said).toMatch(/^HTTP\/1\.1 200 (?![^]*keep-alive)/);
  const asked = await open(
    "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
  );
  expect(await asked.said).toMatch(/^HTTP\/1\.1 200 /);
});

test("a slow request is ended in seconds, and so is a connection that says nothing", async () => {
  const silent = await open();
  const slow = await open("GET /livez HTTP/1.1\r\n");
  const drip = setInterval(() => slow.socket.write("X-A: b\r\n"), 200);
  const [first, second] = await Promise.all([silent.said, slow.said]);
  clearInterval(drip);
  expect(first + second).not.toContain("200 OK");
  expect(second).toMatch(/^(HTTP\/1\.1 408 |$)/);
});

test("many connections that do nothing do not keep a probe out", async () => {
  const idle = await Promise.all(Array.from({ length: 300 }, () => open("GET /livez HTTP/1.1\r\n")));
  // Before their own time is over.
  await waitFor("the oldest to be closed", () => idle.filter((client) => client.isClosed).length >= 200, {
    timeoutMs: 2000,
  });
  expect((await get("/livez", { headers: { connection: "close" } })).status).toBe(200);
  for (const { socket } of idle) {
    socket.destroy();
  }
});

test("several requests over one connection are all answered", async () => {
  const client = await open("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3));
  client.socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const text = await client.said;
  expect(text.match(/200 OK/g)).toHaveLength(4);
});

function get(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${endpoint.port}${path}`, init);
}

interface Client {
  readonly socket: Socket;
  readonly isClosed: boolean;
  /** All that the server said, when the connection has ended. */
  readonly said: Promise<string>;
}

async function open(bytes?: string | Buffer): Promise<Client> {
  const socket = connect(endpoint.port, "127.0.0.1");
  let text = "";
  socket.on("data", (data) => (text += data.toString("latin1")));
  socket.on("error", () => undefined);
  const said = new Promise<string>((resolve) => socket.once("close", () => resolve(text)));
  await once(socket, "connect");
  if (bytes !== undefined) {
    socket.write(bytes);
  }
  return {
    socket,
    said,
    get isClosed() {
      return socket.closed;
    },
  };
}
