import { startProcess, workerCommand } from "@muster/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cliArgv, planeArgv, spec, startSystem } from "./system.ts";

let system: Awaited<ReturnType<typeof startSystem>>;
let muster: (typeof system)["muster"];
beforeAll(async () => {
  system = await startSystem();
  ({ muster } = system);
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

test("pauses, resets and deletes a group, and asks before it does", async () => {
  const at = ["STEER", "billing"];
  const input = JSON.stringify({ ...spec, stream: "STEER", subjects: ["steer.>"] });
  expect((await muster(["groups", "apply", "-f", "-", "--retention", "limits"], { input })).code).toBe(0);
  const paused = await muster(["groups", "pause", ...at]);
  expect(paused).toMatchObject({
    code: 0,
    out: expect.stringMatching(/stream STEER is paused\n[^]*retries/),
  });
  expect((await muster(["groups", "list"])).out).toMatch(/STEER .*paused/);
  const dry = await muster(["groups", "reset", ...at, "--to-sequence", "1", "--dry-run", "-o", "json"]);
  expect(JSON.parse(dry.out)).toMatchObject({ dry_run: true, sequence: 1, messages: 0 });
  expect(await muster(["groups", "reset", ...at])).toMatchObject({
    code: 2,
    err: expect.stringContaining("--to-time"),
  });
  expect((await muster(["groups", "resume", ...at])).out).toContain("stream STEER is running");
  expect(await muster(["members", "drain", ...at, "m1"])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/no member m1; it has none \[no_member\]/),
  });
  expect(await muster(["groups", "delete", ...at])).toMatchObject({
    code: 2,
    err: expect.stringContaining("--confirm"),
  });
  expect((await muster(["groups", "delete", ...at, "--dry-run"])).out).toMatch(
    /would be deleted\n[^]*loses +the group's place/,
  );
  expect(await muster(["groups", "pause", ...at])).toMatchObject({ code: 0 });
  expect(await muster(["groups", "reset", ...at, "--to-sequence", "1"])).toMatchObject({
    code: 2,
    err: expect.stringContaining("give --yes"),
  });
  expect(await muster(["groups", "reset", ...at, "--to-sequence", "1", "--yes"])).toMatchObject({
    code: 0,
    out: expect.stringContaining("begins at sequence 1"),
  });
  expect((await muster(["groups", "delete", ...at, "--yes"])).code).toBe(0);
  expect((await muster(["groups", "get", ...at])).err).toContain("[no_group]");
});

test("the doctor ends with 1 for an error, and for a warning only when it is strict", async () => {
  const input = JSON.stringify({ ...spec, stream: "WARD", subjects: ["ward.>"] });
  await muster(["groups", "apply", "-f", "-"], { input });
  const only = ["doctor", "--stream", "WARD"];
  const mild = await muster(only);
  expect(mild).toMatchObject({
    code: 0,
    err: "",
    out: expect.stringMatching(/^warning {2}few-members {2}billing of WARD\n {2}found {2}0 live/),
  });
  expect(mild.out).toContain("0 errors, 1 warning, 0 notes in 1 group of 1 stream, 0 members");
  expect((await muster([...only, "--strict"])).code).toBe(1);
  const json = await muster([...only, "-o", "json"]);
  expect(JSON.parse(json.out)).toMatchObject({ warnings: 1, findings: [{ id: "few-members" }] });
});

test("works with a token where the control plane wants one, and shows who did what", async () => {
  await using plane = startProcess("control-plane", planeArgv, {
    NATS_URL: system.server.url,
    MUSTER_PORT: "0",
    MUSTER_HOST: "",
    MUSTER_AUTH: "tokens",
  });
  const { url: MUSTER_URL } = JSON.parse(await plane.waitForLine(/"listening"/)) as { url: string };
  const shown = await plane.waitForLine(/first admin token/);
  const as = (token: string) => ({ env: { MUSTER_URL, MUSTER_TOKEN: token } });
  const admin = as(shown.split(" ").at(-1) ?? "");
  expect(await muster(["groups", "list"], as(""))).toMatchObject({
    code: 1,
    err: expect.stringContaining("MUSTER_TOKEN"),
  });
  const made = await muster(
    ["tokens", "create", "--name", "eve\u001b[2J", "--role", "viewer", "-o", "json"],
    admin,
  );
  const { token, id } = JSON.parse(made.out) as { token: string; id: string };
  const refused = await muster(["groups", "delete", "ORDERS", "billing", "--confirm", "billing"], as(token));
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining("[forbidden]") });
  const audit = await muster(["audit", "--limit", "1"], admin);
  expect(audit.out).toMatch(new RegExp(`eve\\\\u001b\\[2J \\(${id}\\) +groups.delete +refused +forbidden`));
  expect(await muster(["tokens", "revoke", id], admin)).toMatchObject({
    code: 2,
    err: expect.stringContaining("nobody is there to be asked; give --yes"),
  });
  expect((await muster(["tokens", "revoke", id, "--yes"], admin)).code).toBe(0);
  expect((await muster(["tokens", "list"], admin)).out).toMatch(/revoked 20/);
  expect(await muster(["groups", "list"], as(token))).toMatchObject({
    code: 1,
    err: expect.stringContaining("[unauthorized]"),
  });
});

test("discards and restores by id only, and says what is not there", async () => {
  await muster(["groups", "apply", "-f", "-"], { input: JSON.stringify(spec) });
  expect(await muster(["dlq", "discard", "ORDERS", "dl.none"])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/dead letter dl.none is not in ORDERS_DLQ.*\[not_found\]/),
  });
  expect((await muster(["dlq", "restore", "ORDERS", "dl.none"])).err).toContain("the archive of ORDERS");
  expect((await muster(["dlq", "list", "ORDERS", "--archived"])).out).toContain("no dead letters");
});

test("watches members, and ends with what is refused", async () => {
  await muster(["groups", "apply", "-f", "-"], {
    input: JSON.stringify({ ...spec, stream: "WATCH", subjects: ["watch.>"] }),
  });
  await using watch = startProcess("watch", [...cliArgv, "members", "watch", "--stream", "WATCH"], {
    MUSTER_URL: system.url,
  });
  const command = workerCommand("ts");
  const env = {
    NATS_URL: system.server.url,
    MUSTER_STREAM: "WATCH",
    MUSTER_GROUP: "billing",
    WORKER_ID: "w1",
    MUSTER_HEARTBEAT_MS: "250",
  };
  await using worker = startProcess("worker", command.argv, { ...command.env, ...env });
  await watch.waitForLine(/(joined|here) {3}.*w1 \(ts\) of billing of WATCH, running$/, 30_000);
  worker.kill("SIGTERM");
  await watch.waitForLine(/left {5}.*w1 \(ts\) of billing of WATCH$/, 30_000);
  watch.kill("SIGINT");
  expect(await watch.exited).toMatchObject({ code: 0 });
  expect(await muster(["members", "watch", "--stream", "a.b"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("a.b"),
  });
});
