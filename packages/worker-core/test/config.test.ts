import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { startProcess, workerCommand } from "@muster/testkit";
import { readConfig } from "../src/index.ts";

const good = { NATS_URL: "nats://127.0.0.1:4222, tls://b:4222", MUSTER_STREAM: "ORDERS", MUSTER_GROUP: "g" };

test("defaults are filled", () => {
  expect(readConfig(good)).toMatchObject({
    natsUrls: ["nats://127.0.0.1:4222", "tls://b:4222"],
    apiPrefix: "$JS.API",
    heartbeatMs: 5000,
    graceMs: 25_000,
    logLevel: "info",
    workerId: expect.stringMatching(new RegExp(`^[A-Za-z0-9_-]+-${process.pid}$`)),
  });
});

test("all bad variables are named at once", () => {
  const bad = {
    NATS_URL: "http://user:secret@x",
    MUSTER_STREAM: "a b",
    MUSTER_GROUP: "a.b",
    WORKER_ID: "x y",
    MUSTER_HEARTBEAT_MS: "7",
    MUSTER_GRACE_MS: "-1",
    LOG_LEVEL: "loud",
  };
  const lines = message(() => readConfig(bad)).split("\n");
  expect(lines.map((line) => line.split(":")[0])).toEqual([
    "NATS_URL",
    "MUSTER_STREAM",
    "MUSTER_GROUP",
    "WORKER_ID",
    "MUSTER_HEARTBEAT_MS",
    "MUSTER_GRACE_MS",
    "LOG_LEVEL",
  ]);
  expect(lines.join()).not.toContain("secret");
});

test("a process with a bad environment exits with 2 and says why", async () => {
  const { argv, env } = workerCommand("ts", { conformance: true });
  await using worker = startProcess("ts", argv, {
    ...env,
    NATS_URL: "",
    MUSTER_STREAM: "S",
    MUSTER_GROUP: "",
  });
  expect(await worker.exited).toEqual({ code: 2, signal: null });
  expect(worker.lines).toEqual([
    expect.stringMatching(/^NATS_URL: /),
    expect.stringMatching(/^MUSTER_GROUP: /),
  ]);
});

describe("the database's URL in a file", () => {
  const url = "postgres://muster:secret@db/muster";

  test("is taken without the white space around it", () => {
    expect(readConfig({ ...good, DATABASE_URL_FILE: written(`${url}\n`) }).databaseUrl).toBe(url);
  });

  test.for([
    { what: "not there", file: "/none/such", also: {} },
    { what: "no URL", text: "http://user:secret@x", also: {} },
    { what: "empty", text: "\n", also: {} },
    { what: "beside the variable", text: url, also: { DATABASE_URL: url } },
  ])("$what: a problem that names the variable and no secret", ({ file, text = "", also }) => {
    const env = { ...good, ...also, DATABASE_URL_FILE: file ?? written(text) };
    const problem = message(() => readConfig(env));
    expect(problem).toMatch(/^DATABASE_URL_FILE: /);
    expect(problem).not.toContain("secret");
  });

  function written(text: string): string {
    const folder = mkdtempSync(join(tmpdir(), "muster-config-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "url");
    writeFileSync(file, text);
    return file;
  }
});

function message(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
  return "";
}
