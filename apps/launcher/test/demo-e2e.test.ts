import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, startNats, startProcess, waitFor } from "@muster/testkit";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, describe, expect, it } from "vitest";

// Without the launcher around it: tests use what is set up, they do not set up.
const main = join(import.meta.dirname, "../src/demo/main.ts");
const TIMEOUT_MS = 180_000;
// The demo's own temporary folder, to see what it leaves there.
const scratch = mkdtempSync(join(tmpdir(), "muster-demo-test-"));
const own = { NATS_URL: "", TMPDIR: scratch };

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("./muster demo", { timeout: TIMEOUT_MS }, () => {
  it("closes the account over a killed worker and a replay, every language doing its share", async () => {
    const { code, stdout } = await runDemo(["--orders", "300", "--seed", "7", "--json"], own);
    expect(code, stdout).toBe(0);
    const outcome = lastLine(stdout);
    expect(outcome).toEqual({
      published: 300,
      done: 285,
      dead: 15,
      dead_by_reason: { invalid: 9, permanent: 6 },
      replayed: 6,
      lost: 0,
      repeated: 0,
      done_by_language: expect.any(Object),
      killed: 1,
      seconds: expect.any(Number),
    });
    const shares = Object.values(outcome["done_by_language"] as Record<string, number>);
    expect(shares).toHaveLength((stdout.match(/^members: (.*)$/m)?.[1] ?? "").split(", ").length);
    for (const share of shares) expect(share).toBeGreaterThan(28);
    expect(readdirSync(scratch)).toEqual([]);
    expect(stdout).toContain("verify: accepted 300 = done 285 + dead 15 + archived 0 + waiting 0 + lost 0\n");
    await expectClosed(/NATS (nats:\S+),/.exec(stdout)?.[1]);
  });

  it("fails when the control plane's verify finds a loss that its own account does not see", async () => {
    await using server = await startNats();
    await using demo = startProcess("demo", [process.execPath, main, "--orders", "30", "--json"], {
      ...own,
      NATS_URL: server.url,
    });
    await demo.waitForLine(/^members: /, TIMEOUT_MS);
    const nc = await connect({ servers: server.url });
    const jsm = await jetstreamManager(nc);
    const streams = await jsm.streams.list().next();
    const stream = streams.map(({ config }) => config.name).find((name) => /^DEMO_[^_]+$/.test(name)) ?? "";
    // Accepted, wanted by no member, and gone from the stream without a trace.
    const { seq } = await jetstream(nc).publish(`muster.replay.${stream}.nobody.order`, "{}");
    await jsm.streams.deleteMessage(stream, seq);
    await nc.close();
    expect((await demo.exited).code, demo.lines.join("\n")).toBe(1);
    const text = demo.lines.join("\n");
    expect(text).toContain("The account closes");
    expect(text).toContain("verify disagrees: accepted 31, the demo found 30\n");
    expect(text).toContain(`verify disagrees: lost 1 (message ${seq}), the demo found 0\n`);
  });

  it("runs on a given server under names of its own, and leaves nothing behind but the audit of it", async () => {
    await using server = await startNats();
    const nc = await connect({ servers: server.url });
    const jsm = await jetstreamManager(nc);
    await jsm.streams.add({ name: "ORDERS", subjects: ["orders.>"], retention: "workqueue" });
    const { code, stdout } = await runDemo(["--orders", "30", "--json"], { ...own, NATS_URL: server.url });
    expect(code, stdout).toBe(0);
    expect(lastLine(stdout)).toMatchObject({ published: 30, lost: 0, repeated: 0, replayed: 1 });
    const streams = await jsm.streams.list().next();
    const left = streams.map(({ config, state }) => [config.name, state.messages] as const);
    expect(
      left
        .filter(([name]) => !name.startsWith("KV_MUSTER_"))
        .map(([name]) => name)
        .toSorted(),
    ).toEqual(["MUSTER_AUDIT", "ORDERS"]);
    // Contracts are everybody's, and what was done stays on record.
    const kept = new Set(["KV_MUSTER_CONTRACTS", "MUSTER_AUDIT"]);
    expect(left.filter(([name, messages]) => !kept.has(name) && messages > 0)).toEqual([]);
    await nc.close();
  });

  it("refuses a server on which the fraud check is up", async () => {
    await using server = await startNats();
    const nc = await connect({ servers: server.url });
    nc.subscribe("fraud.check", { callback: (_error, message) => void message.respond("{}") });
    await nc.flush();
    const { code, stderr } = await runDemo(["--orders", "30"], { ...own, NATS_URL: server.url });
    expect(code).toBe(1);
    expect(stderr).toContain("somebody answers fraud.check");
    await nc.close();
  });

  it("says which server it did not reach", async () => {
    const url = `nats://127.0.0.1:${await freePort()}`;
    const { code, stderr } = await runDemo([], { ...own, NATS_URL: url });
    expect(code).toBe(1);
    expect(stderr).toContain(`no NATS at ${url}`);
  });

  it("ends everything it started when it is stopped in the middle", async () => {
    await using demo = startProcess("demo", [process.execPath, main, "--orders", "5000"], own);
    const line = await demo.waitForLine(/^NATS /, TIMEOUT_MS);
    await demo.waitForLine(/^killed /, TIMEOUT_MS);
    const children = childrenOf(demo.pid);
    expect(children.length).toBeGreaterThanOrEqual(3);
    demo.kill("SIGINT");
    expect(await demo.exited).toEqual({ code: 130, signal: null });
    await waitFor("the children to be gone", () => children.every((pid) => !isAlive(pid)));
    await expectClosed(/NATS (nats:\S+),/.exec(line)?.[1]);
  });

  it("kills everything when it is stopped twice", async () => {
    await using demo = startProcess("demo", [process.execPath, main, "--orders", "5000"], own);
    await demo.waitForLine(/^publishing /, TIMEOUT_MS);
    const children = childrenOf(demo.pid);
    demo.kill("SIGTERM");
    demo.kill("SIGINT");
    expect((await demo.exited).code).toBeOneOf([130, 143]);
    await waitFor("the children to be gone", () => children.every((pid) => !isAlive(pid)));
  });

  it("fails, and names the log, when a worker ends by itself", async () => {
    await using demo = startProcess("demo", [process.execPath, main, "--orders", "5000"], own);
    await demo.waitForLine(/^publishing /, TIMEOUT_MS);
    const [worker = 0] = childrenOf(demo.pid).filter((pid) =>
      commandOf(pid).includes("worker-ts/src/main.ts"),
    );
    process.kill(worker, "SIGKILL");
    expect(await demo.exited).toEqual({ code: 1, signal: null });
    expect(demo.lines.join("\n")).toMatch(
      /demo-ts-1 ended by itself \(SIGKILL\); its log is \S+demo-ts-1\.log/,
    );
  });

  it("stays for a look with --keep, until it is stopped", async () => {
    await using demo = startProcess("demo", [process.execPath, main, "--orders", "20", "--keep"], {
      NATS_URL: "",
    });
    const line = await demo.waitForLine(/^kept running: /, TIMEOUT_MS);
    const url = /control plane (\S+),/.exec(line)?.[1] ?? "";
    const input = encodeURIComponent(JSON.stringify({ stream: "ORDERS", group: "demo" }));
    const answer = await fetch(`${url}/groups.get?input=${input}`);
    expect(await answer.json()).toMatchObject({ result: { data: { ready: 0, members: expect.any(Array) } } });
    demo.kill("SIGTERM");
    // The demo itself had ended well.
    expect(await demo.exited).toEqual({ code: 0, signal: null });
  });
});

function runDemo(
  args: string[],
  env: Record<string, string>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const child = execFile(
      process.execPath,
      [main, ...args],
      { env: { ...process.env, ...env } },
      (_error, stdout, stderr) => done({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

function lastLine(stdout: string): Record<string, unknown> {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

async function expectClosed(url: string | undefined): Promise<void> {
  expect(url).toBeDefined();
  await expect(connect({ servers: url ?? "", reconnect: false, timeout: 1000 })).rejects.toThrow();
}

function childrenOf(pid: number): number[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  const pairs = table
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  return pairs.filter(([, parent]) => parent === pid).map(([child]) => child ?? 0);
}

function commandOf(pid: number): string {
  return execFileSync("ps", ["-p", String(pid), "-o", "args="], { encoding: "utf8" });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
