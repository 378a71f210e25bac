import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProcess } from "@muster/testkit";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cliArgv, spec, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
let muster: (typeof system)["muster"];
let nc: NatsConnection;
let folder: string;
beforeAll(async () => {
  system = await startSystem();
  ({ muster } = system);
  nc = await connect({ servers: system.server.url });
  folder = await mkdtemp(join(tmpdir(), "muster-cli-"));
  expect((await muster(["groups", "apply", "-f", "-"], { input: JSON.stringify(spec) })).code).toBe(0);
});
afterAll(async () => {
  await nc.close();
  await system[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const order = (id: string) =>
  JSON.stringify({ id, customer: "ada", amount: 1, status: "pending", created_at: "2026-01-02T03:04:05Z" });

let n = 0;
/** A dead letter as a member writes it. */
async function dead(body?: string, error = "fraud check timeout"): Promise<string> {
  const seq = ++n;
  const id = `dl.billing.0123456789abcdef01234567.${seq}.1`;
  const h = headers();
  for (const [name, value] of Object.entries({
    "Muster-Dlq-Id": id,
    "Muster-Dlq-Seq": String(seq),
    "Muster-Dlq-Subject": "orders.created",
    "Muster-Dlq-Error": error,
    "Muster-Dlq-Event-Id": `e${seq}`,
    "Muster-Dlq-Contract": "order.v1",
    tenant: "blue",
  }))
    h.set(name, value);
  await nc.request("muster.dlq.ORDERS.billing.permanent", body ?? order(`o${seq}`), {
    headers: h,
    timeout: 5000,
  });
  return id;
}

const idIn = (out: string) => /^job +(\S+)/.exec(out)?.[1] ?? "";

test("creates a job, follows it to its end, and lists it", async () => {
  for (let i = 0; i < 3; i++) await dead();
  await dead("{}", "evil \x1b[2J");
  const dry = await muster(["jobs", "create", "ORDERS", "--group", "billing", "--dry-run"]);
  expect(dry).toMatchObject({ code: 0, out: "3 would replay, 1 refused\n" });
  expect((await muster(["jobs", "list"])).out).toBe("no jobs\n");
  const made = await muster(["jobs", "create", "ORDERS", "--group", "billing", "--watch"]);
  expect(made).toMatchObject({ code: 0, err: "" });
  expect(made.out).toMatch(
    /\nselected +4\nreplayed +3\n[^]*skipped +1 invalid\n[^]*not sent, some of them\n/,
  );
  const id = idIn(made.out.slice(made.out.indexOf("\njob ") + 1));
  const shown = await muster(["jobs", "show", id, "-o", "json"]);
  expect(JSON.parse(shown.out)).toMatchObject({ id, state: "done", since: { came_back: 0, new: 0 } });
  const told = await muster(["jobs", "outcomes", id, "--limit", "3"]);
  expect(told).toMatchObject({ code: 0, err: "" });
  expect(told.out).toMatch(/^id +group +event id +outcome +why[^]*(\ndl\.billing\S+ +billing +e\d +sent){3}/);
  const cursor = /\nmore: --cursor (\S+)\n$/.exec(told.out)?.[1] ?? "";
  const rest = await muster(["jobs", "outcomes", id, "--cursor", cursor, "-o", "jsonl"]);
  expect(JSON.parse(rest.out)).toMatchObject({ outcome: "refused", code: "invalid" });
  expect(await muster(["jobs", "outcomes", id, "--cursor", "x"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("next_cursor of a page"),
  });
  expect((await muster(["jobs", "list"])).out).toMatch(
    new RegExp(`^id +stream[^\\n]*\\n${id} +ORDERS +group=billing +done +4 +3 +1 `),
  );
});

test("pauses, resumes and cancels", async () => {
  for (let i = 0; i < 5; i++) await dead();
  const made = await muster([
    "jobs",
    "create",
    "ORDERS",
    "--error",
    "fraud",
    "--rate",
    "0.5",
    "--limit",
    "5",
  ]);
  const id = idIn(made.out);
  expect(made.out).toMatch(/\nfilter +error=fraud, at most 5, 0\.5\/s\n/);
  expect((await muster(["jobs", "pause", id])).out).toBe(`job ${id} is paused\n`);
  expect((await muster(["jobs", "resume", id])).out).toBe(`job ${id} is running\n`);
  await using watch = startProcess("watch", [...cliArgv, "-o", "json", "jobs", "show", id, "--watch"], {
    MUSTER_URL: system.url,
  });
  await watch.waitForLine(/"state":"running"/);
  expect((await muster(["jobs", "cancel", id])).out).toBe(`job ${id} is cancelled\n`);
  expect(await watch.exited).toMatchObject({ code: 0 });
  expect(JSON.parse(watch.lines.at(-1) ?? "")).toMatchObject({ id, state: "cancelled" });
  expect(await muster(["jobs", "resume", id])).toMatchObject({
    code: 1,
    err: expect.stringContaining("[job_ended]"),
  });
});

test("ends with 1 when the job failed, and Ctrl-C leaves it running", async () => {
  await muster(["dlq", "replay", "ORDERS", "--error", "fraud"]);
  await dead();
  const made = await muster(["jobs", "create", "ORDERS", "--error", "fraud", "--canary", "1"]);
  const id = idIn(made.out);
  await using watch = startProcess("watch", [...cliArgv, "jobs", "show", id, "--watch"], {
    MUSTER_URL: system.url,
  });
  await watch.waitForLine(/^waiting for canary: 1 selected, 1 replayed/);
  watch.kill("SIGINT");
  expect(await watch.exited).toMatchObject({ code: 0 });
  await nc.request("$JS.API.STREAM.PURGE.ORDERS", "", { timeout: 5000 });
  const shown = await muster(["jobs", "show", id, "--watch"]);
  expect(shown).toMatchObject({ code: 1, err: "" });
  expect(shown.out).toMatch(/\nstate +failed \(canary_failed\)\n/);
  expect(shown.out).toMatch(/\ncanaries +1 of 1 sent, 0 done, 1 not\n/);
});

test("refuses wrong use, and says what is not there", async () => {
  for (const [args, told] of [
    [["create", "ORDERS"], "--all"],
    [["create", "ORDERS", "--all", "--rate", "fast"], "--rate fast is no number"],
    [["create", "ORDERS", "--all", "--rate", "0"], "--rate 0 is not 0.01 to 100000"],
    [["create", "ORDERS", "--all", "--canary", "-1"], "--canary -1 is not 1 to 100"],
    [["show"], "missing"],
  ] as const)
    expect(await muster(["jobs", ...args])).toMatchObject({ code: 2, err: expect.stringContaining(told) });
  expect(await muster(["jobs", "show", "nope"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("[not_found]"),
  });
});

test("replays one letter with an edit: from a file, from standard input, and headers only", async () => {
  const file = join(folder, "order.json");
  await writeFile(file, order("mended"));
  const first = await dead('{"id":1}');
  expect((await muster(["dlq", "replay", "ORDERS", first])).code).toBe(1);
  const sent = await muster(["dlq", "replay", "ORDERS", first, "--edit", file, "--set-header", "tenant=red"]);
  expect(sent).toMatchObject({ code: 0, out: expect.stringContaining("1 replayed") });
  const audit = JSON.parse((await muster(["audit", "--action", "deadLetters.edit", "-o", "json"])).out) as {
    rows: object[];
  };
  expect(audit.rows[0]).toMatchObject({
    after: { id: first, headers: [{ path: "tenant", before: '"blue"', after: '"red"' }] },
  });
  const second = await dead('{"id":1}');
  const bad = await muster(["dlq", "replay", "ORDERS", second, "--edit", "-"], { input: "\ufeff{" });
  expect(bad).toMatchObject({ code: 1, out: expect.stringContaining("invalid") });
  const input = order("again");
  expect((await muster(["dlq", "replay", "ORDERS", second, "--edit", "-"], { input })).code).toBe(0);
  const third = await dead();
  expect((await muster(["dlq", "replay", "ORDERS", third, "--unset-header", "tenant"])).code).toBe(0);
  for (const args of [
    ["--all", "--edit", file],
    [third, "--edit", join(folder, "nothing")],
    [third, "--set-header", "x"],
  ])
    expect(await muster(["dlq", "replay", "ORDERS", ...args])).toMatchObject({ code: 2 });
  expect(await muster(["dlq", "replay", "ORDERS", third, "--set-header", "Nats-Rollup=all"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("may not begin Nats-"),
  });
});
