import { join } from "node:path";
import { checkoutRoot as root, freePort } from "@muster/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { spec, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
let muster: (typeof system)["muster"];
beforeAll(async () => {
  system = await startSystem();
  ({ muster } = system);
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

test("plans a group in words and JSON, and makes nothing", async () => {
  const file = join(root, "infra/groups/orders.json");
  const words = await muster(["groups", "plan", "-f", file, "--max-age-ms", "3600000"]);
  expect(words).toMatchObject({ code: 0, err: "" });
  expect(words.out).toMatch(/\ncreate stream ORDERS\n  subjects: muster\.replay\.ORDERS\.>, orders\.>\n/);
  expect(words.out).toMatch(
    /\n  max_age_ms: 3600000\n[^]*\n\ngroup billing of stream ORDERS is new: apply makes it so\n$/,
  );
  const json = JSON.parse((await muster(["groups", "plan", "-f", file, "-o", "json"])).out) as object;
  expect(json).toMatchObject({ revision: 0, restart_needed: [] });
  expect((await muster(["groups", "list"])).out).toContain("no groups yet");
});

test("applies the example group from its file, and the same from standard input", async () => {
  const first = await muster(["groups", "apply", "-f", join(root, "infra/groups/orders.json")]);
  expect(first).toMatchObject({ code: 0, err: "", out: expect.stringMatching(/stream ORDERS +created/) });
  const again = await muster(["groups", "apply", "-f", "-", "-o", "json"], {
    input: JSON.stringify({ ...spec, ack_wait_ms: 5000 }),
  });
  expect(again.code).toBe(0);
  expect(JSON.parse(again.out)).toMatchObject({ stream: "ORDERS", group: "billing", revision: 2 });
});

test("plans a change as what is and what would be, and what needs a restart", async () => {
  const change = { ...spec, delivery: { mode: "batch", size: 2, wait_ms: 3 } };
  const { out } = await muster(["groups", "plan", "-f", "-"], { input: JSON.stringify(change) });
  expect(out).toMatch(/^update consumer billing\n  ack_wait_ms: 5000 → 30000\nupdate spec ORDERS.billing\n/);
  expect(out).toContain("\n  delivery.mode: pull → batch\n");
  expect(out).toContain("members that run go on as before until they are restarted: delivery\n");
  const same = await muster(["groups", "plan", "-f", "-"], {
    input: JSON.stringify({ ...spec, ack_wait_ms: 5000 }),
  });
  expect(same.out).toBe("group billing of stream ORDERS is at revision 2: nothing to do\n");
  const refused = await muster(["groups", "plan", "-f", "-"], {
    input: JSON.stringify({ ...spec, stream: "\u001b[31m" }),
  });
  expect([refused.code, refused.out]).toEqual([1, ""]);
});

test("takes a group as YAML, with its comments", async () => {
  const yaml = `# billing, as it is
spec:
  stream: ORDERS
  group: billing # the durable name too
  subjects: [orders.>]
  contracts:
    - order.v1
  ack_wait_ms: 5000
stream: { retention: workqueue }
`;
  const { out, err } = await muster(["groups", "plan", "-f", "-"], { input: yaml });
  expect([out, err]).toEqual(["group billing of stream ORDERS is at revision 2: nothing to do\n", ""]);
});

test.each([
  ["an alias", "spec: &a {stream: S}\nstream: *a\n"],
  ["a billion laughs", `a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nspec: [*c, *c]\n`],
  ["a key twice", "spec: {}\nspec: {}\n"],
  ["documents of which one is a text", "spec: {}\n---\njust words\n"],
  ["fields beside groups", "groups: [{spec: {}}]\nstream: {}\n"],
  ["a text under groups", "groups: [billing]\n"],
  ["no groups", "groups: []\n"],
  ["neither", '{"spec": '],
  ["a text", "just words"],
  ["nothing", ""],
])("refuses a group file that holds %s", async (_name, input) => {
  const { code, out, err } = await muster(["groups", "apply", "-f", "-"], { input });
  expect([code, out]).toEqual([2, ""]);
  expect(err).toMatch(/^muster: (standard input is neither YAML nor JSON|- holds no spec|- has )/);
});

test("lists groups and shows one", async () => {
  expect((await muster(["groups", "list"])).out).toMatch(
    /^stream +group +mode +ledger +members[^\n]*\nORDERS +billing +pull +kv +none/,
  );
  expect((await muster(["groups", "get", "ORDERS", "billing"])).out).toMatch(
    /\nmode +pull\nledger +kv\n[^]*no members/,
  );
  expect(JSON.parse((await muster(["-o", "json", "groups", "list"])).out)).toMatchObject([
    { stream: "ORDERS", has_consumer: true },
  ]);
});

test("shows a queue group by its members, what they repeat, and who is degraded", async () => {
  const queue = { ...spec, stream: "core", delivery: { mode: "queue" }, ledger: "none" };
  expect((await muster(["groups", "apply", "-f", "-"], { input: JSON.stringify(queue) })).out).toMatch(
    /stream core_DLQ +created/,
  );
  const member = {
    v: 1,
    id: "m1",
    instance: "i",
    language: "go",
    core_version: "1",
    app_version: "1",
    pid: 7,
    host: "evil\x1b[31m\u202e",
    started_at: "2026-01-02T03:04:05Z",
    state: "running",
    delivery: "queue",
    concurrency: 10,
    in_flight: 2,
    held: 5,
    degraded: true,
    spec_revision: 1,
    contracts: [],
    restart_needed: ["ledger", "\x1b[2J"],
    counts: { done: 11, retry: 0, snoozed: 0, returned: 0, dead: 0, repeat: 12, stale: 13 },
  };
  const { connect } = await import("@nats-io/transport-node");
  const nc = await connect({ servers: system.server.url });
  await nc.request("$KV.MUSTER_MEMBERS.core.billing.m1", JSON.stringify(member));
  await nc.close();
  const lines = await muster(["groups", "list"]);
  expect(lines.out).toMatch(/\ncore +billing +queue +none +go 1 +0 +2 +5 +0 +0 +0 +1 degraded\n/);
  const { out } = await muster(["groups", "get", "core", "billing"]);
  expect(out).toMatch(/m1 +go +running, degraded, restart it for ledger and \\u001b\[2J +2 +5 +11 +12 +13 /);
  expect(out).not.toMatch(/missing|[^\P{C}\n]/u);
});

test("publishes from flags and from lines, and tells what was not taken", async () => {
  const flags = await muster(["orders", "publish", "--id", "o1", "--customer", "ada", "--amount", "12.5"]);
  expect(flags).toMatchObject({ code: 0, out: expect.stringMatching(/o1\.created +published +ORDERS/) });
  const good = { id: "o2", customer: "x", amount: 1, status: "pending", created_at: "2026-01-02T03:04:05Z" };
  const lines = `${JSON.stringify(good)}\n${JSON.stringify({ event: "shipped", order: good })}\n${JSON.stringify({ id: 3 })}\n`;
  const file = await muster(["orders", "publish", "-f", "-"], { input: lines });
  expect(file).toMatchObject({ code: 1, out: expect.stringContaining("2 published, 1 invalid") });
  const got = await muster(["orders", "get", "ORDERS", "billing", "o2"]);
  expect(got.out).toMatch(/shipped +o2\.shipped +not settled/);
});

test("verify closes, and ends with 1 when something is lost", async () => {
  expect(await muster(["verify", "ORDERS", "billing"])).toMatchObject({
    code: 0,
    out: expect.stringContaining("nothing is lost"),
  });
  const deleted = await import("@nats-io/transport-node").then(async ({ connect }) => {
    const nc = await connect({ servers: system.server.url });
    const answer = await nc.request("$JS.API.STREAM.MSG.DELETE.ORDERS", JSON.stringify({ seq: 2 }));
    await nc.close();
    return answer.json<{ success: boolean }>();
  });
  expect(deleted.success).toBe(true);
  const lost = await muster(["verify", "ORDERS", "billing"]);
  expect(lost).toMatchObject({ code: 1, out: expect.stringContaining("LOST: 1\n  message 2") });
});

test("verify says of a queue group that it has no account, and ends with 1", async () => {
  const { code, out } = await muster(["verify", "core", "billing"]);
  expect(code).toBe(1);
  expect(out).toMatch(/done or lost +0\n/);
  expect(out).toContain("no account of this group can be closed: a queue group is core NATS");
  expect(out).not.toMatch(/LOST|the account closes/);
});

test("shows dead letters of hostile payloads without obeying them", async () => {
  const { connect, headers } = await import("@nats-io/transport-node");
  const nc = await connect({ servers: system.server.url });
  const h = headers();
  for (const [name, value] of Object.entries({
    "Nats-Msg-Id": "dl.billing.0123456789abcdef01234567.1",
    "Muster-Dlq-Id": "dl.billing.0123456789abcdef01234567.1",
    "Muster-Dlq-Seq": "1",
    "Muster-Dlq-Error": "red \x1b[31m \u202eevil",
    "Muster-Dlq-Subject": "orders.created",
    "Muster-Dlq-Event-Id": "e",
  }))
    h.set(name, value);
  await nc.request("muster.dlq.ORDERS.billing.permanent", "\x1b]0;owned\x07\u202e\u200b\u009b31mpay", {
    headers: h,
    timeout: 5000,
  });
  await nc.close();
  const hostile = /[^\P{C}\n]/u;
  const list = await muster(["dlq", "list", "ORDERS", "--reason", "permanent"]);
  const get = await muster(["dlq", "get", "ORDERS", "dl.billing.0123456789abcdef01234567.1"]);
  const json = await muster(["dlq", "get", "ORDERS", "dl.billing.0123456789abcdef01234567.1", "-o", "json"]);
  for (const { out, code } of [list, get, json]) {
    expect(code).toBe(0);
    expect(out).not.toMatch(hostile);
  }
  expect(list.out).toContain("red \\u001b[31m");
  expect(get.out).toContain("\\u001b]0;owned\\u0007\\u202e\\u200b\\u009b31mpay");
  expect((JSON.parse(json.out) as { payload_text: string }).payload_text).toBe(
    "\x1b]0;owned\x07\u202e\u200b\u009b31mpay",
  );
});

test("replay: refuses what the contract refuses, dry run, wrong use", async () => {
  const refused = await muster(["dlq", "replay", "ORDERS", "dl.billing.0123456789abcdef01234567.1"]);
  expect(refused).toMatchObject({ code: 1, out: expect.stringContaining("not valid") });
  expect((await muster(["dlq", "replay", "ORDERS", "--reason", "exhausted", "--dry-run"])).out).toContain(
    "no dead letters",
  );
  expect(await muster(["dlq", "replay", "ORDERS"])).toMatchObject({
    code: 2,
    err: expect.stringContaining("--all"),
  });
});

test.each([
  [["nonsense"]],
  [["groups", "get", "ORDERS"]],
  [["groups", "apply"]],
  [["groups", "apply", "-f", "/nowhere.json"]],
  [["groups", "list", "-o", "xml"]],
  [["orders", "publish", "--id", "x"]],
  [["dlq", "list", "ORDERS", "--limit", "many"]],
])("wrong use %j ends with 2 and says why", async (args) => {
  const { code, err, out } = await muster(args);
  expect([code, out]).toEqual([2, ""]);
  expect(err.trim()).not.toBe("");
});

test("says what to do when the control plane is not there, or is something else", async () => {
  const port = await freePort();
  const away = await muster(["groups", "list"], { env: { MUSTER_URL: `http://127.0.0.1:${port}` } });
  expect(away).toEqual({
    code: 1,
    out: "",
    err: `muster: the control plane is not reachable at http://127.0.0.1:${port}; start it with ./muster up, or set MUSTER_URL\n`,
  });
  expect(await muster(["groups", "list"], { env: { MUSTER_URL: "nonsense" } })).toMatchObject({
    code: 2,
    err: expect.stringContaining("MUSTER_URL"),
  });
  expect(await muster(["groups", "get", "ORDERS", "nobody"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("[no_group]"),
  });
});
