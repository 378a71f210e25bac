import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cliArgv, spec, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
let nc: NatsConnection;
beforeAll(async () => {
  system = await startSystem();
  nc = await connect({ servers: system.server.url });
  const applied = await system.muster(["groups", "apply", "-f", "-"], { input: JSON.stringify(spec) });
  expect(applied.code).toBe(0);
});
afterAll(async () => {
  await nc.close();
  await system[Symbol.asyncDispose]();
});

/** A dead letter as a member writes it. */
async function store(seq: number, over: Record<string, string> = {}, body = `{"n":${seq}}`): Promise<string> {
  const id = `dl.billing.0123456789abcdef01234567.${seq}.1`;
  const h = headers();
  for (const [name, value] of Object.entries({
    "Nats-Msg-Id": id,
    "Muster-Dlq-Id": id,
    "Muster-Dlq-Seq": String(seq),
    "Muster-Dlq-Subject": "orders.created",
    "Muster-Dlq-Error-Class": "Error",
    "Muster-Dlq-Error": `order ${seq} refused`,
    "Muster-Dlq-Language": "go",
    "Muster-Dlq-Version": "1.2",
    "Muster-Dlq-Event-Id": `e${seq}`,
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ...over,
  }))
    h.set(name, value);
  await nc.request("muster.dlq.ORDERS.billing.permanent", body, { headers: h, timeout: 5000 });
  return id;
}

test("list, count, totals, failures, show and export of the same letters", async () => {
  const { muster } = system;
  for (let seq = 1; seq <= 3; seq++) await store(seq);
  const hostile = await store(
    4,
    { "Muster-Dlq-Error": "evil \x1b[31m", "Muster-Dlq-Language": "py" },
    "\x1b]0;owned\x07",
  );
  const newest = await muster(["dlq", "list", "ORDERS", "--order", "newest", "--limit", "1"]);
  expect(newest.out).toContain(hostile);
  const cursor = /--cursor (\S+)/.exec(newest.out)?.[1] ?? "";
  const next = await muster(["dlq", "list", "ORDERS", "--order", "newest", "--cursor", cursor, "-o", "json"]);
  expect((JSON.parse(next.out) as { items: unknown[] }).items).toHaveLength(3);
  const filters = [
    "--language",
    "go",
    "--error",
    "REFUSED",
    "--subject",
    "orders.*",
    "--since",
    "1h",
    "--version",
    "1.2",
  ];
  expect((await muster(["dlq", "count", "ORDERS", ...filters])).out).toBe("3 dead letters\n");
  expect((await muster(["dlq", "count", "ORDERS", "--until", "2020-01-01T00:00:00Z"])).out).toBe(
    "0 dead letters\n",
  );
  expect((await muster(["dlq", "totals", "ORDERS"])).out).toMatch(/billing +permanent +4 +0\n/);
  const { out } = await muster(["dlq", "failures", "ORDERS"]);
  expect(out).toMatch(
    /^failure +count[^\n]*\n[0-9a-f]{16} +3 +order # refused +go 1\.2: 3 +billing +permanent/,
  );
  const shown = await muster(["dlq", "show", "ORDERS", hostile]);
  expect(shown.out).toMatch(/\ntrace +4bf92f3577b34da6a3ce929d0e0e4736\n/);
  expect([out, shown.out, newest.out].join("")).not.toMatch(/[^\P{C}\n]/u);
  const exported = await muster(["dlq", "export", "ORDERS"]);
  const lines = exported.out.trim().split("\n");
  expect(exported.out).not.toMatch(/[^\P{C}\n]/u);
  const bodies = lines.map((line) => (JSON.parse(line) as { payload_base64: string }).payload_base64);
  expect(bodies.map((body) => Buffer.from(body, "base64").toString())).toEqual([
    '{"n":1}',
    '{"n":2}',
    '{"n":3}',
    "\x1b]0;owned\x07",
  ]);
});

test("replays by any filter, and says what a dry run would do", async () => {
  const { code, out } = await system.muster(["dlq", "replay", "ORDERS", "--language", "py", "--dry-run"]);
  expect([code, out.includes("1 refused")]).toEqual([1, true]);
});

test.each([
  [["dlq", "list", "ORDERS", "--since", "yesterday"]],
  [["dlq", "list", "ORDERS", "--limit", "many"]],
  [["dlq", "replay", "ORDERS"]],
])("wrong use %j ends with 2", async (args) => {
  expect(await system.muster(args)).toMatchObject({ code: 2, out: "" });
});

test("an export ends quietly when its reader has had enough", async () => {
  for (let seq = 10; seq < 40; seq++) await store(seq, {}, "x".repeat(300_000));
  const [node = "", ...main] = cliArgv;
  const child = spawn(node, [...main, "dlq", "export", "ORDERS"], {
    env: { ...process.env, MUSTER_URL: system.url, MUSTER_TOKEN: "" },
  });
  let error = "";
  child.stderr.on("data", (data) => (error += String(data)));
  await once(child.stdout, "data");
  child.stdout.destroy();
  expect([(await once(child, "close"))[0], error]).toEqual([0, ""]);
});
