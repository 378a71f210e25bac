import { mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot, freePort, startProcess, waitFor } from "@muster/testkit";
import { expect, test } from "vitest";
import { languagesHere } from "./languages.ts";

type Member = { id: string; language: string; pid: number };

test("turbo dev starts the fleet, and a touched file restarts its member", async () => {
  const store = await mkdtemp(join(tmpdir(), "muster-dev-"));
  const [nats, http] = [await freePort(), await freePort()];
  const env = {
    MUSTER_DEV_PORT: String(nats),
    MUSTER_PORT: String(http),
    MUSTER_URL: `http://127.0.0.1:${http}`,
    MUSTER_DEV_STORE: store,
    MUSTER_HEARTBEAT_MS: "500",
    NATS_URL: "",
  };
  const pnpm = join(checkoutRoot, ".muster/bin/pnpm");
  const dev = startProcess("turbo dev", [pnpm, "turbo", "dev"], env, { cwd: checkoutRoot, detached: true });
  await using stack = new AsyncDisposableStack();
  // Also when the test fails: a killed turbo would leave its tasks running.
  stack.defer(async () => {
    dev.kill("SIGTERM");
    await dev.exited;
    await rm(store, { recursive: true, force: true });
  });
  const members = async (): Promise<Member[] | undefined> => {
    const input = encodeURIComponent(JSON.stringify({ stream: "ORDERS", group: "billing" }));
    const response = await fetch(`${env.MUSTER_URL}/groups.get?input=${input}`);
    if (!response.ok) return undefined;
    return ((await response.json()) as { result: { data: { members: Member[] } } }).result.data.members;
  };
  const seen = (): string => dev.lines.slice(-30).join("\n");
  const before = await waitFor(
    "members of all languages",
    async () => {
      const now = await members();
      return new Set(now?.map((member) => member.language)).size === languagesHere.length ? now : undefined;
    },
    { timeoutMs: 80_000, everyMs: 300 },
  ).catch((error: unknown) => {
    throw new Error(seen(), { cause: error });
  });
  const files = {
    ts: "apps/worker-ts/src/main.ts",
    go: "apps/worker-go/cmd/worker-go/main.go",
    py: "apps/worker-py/src/worker_py/handler.py",
  };
  for (const language of languagesHere) {
    const pid = before.find((member) => member.language === language)?.pid;
    await utimes(join(checkoutRoot, files[language]), new Date(), new Date());
    await waitFor(
      `a new ${language} process`,
      async () => (await members())?.some((member) => member.language === language && member.pid !== pid),
      { timeoutMs: 45_000, everyMs: 300 },
    ).catch((error: unknown) => {
      throw new Error(seen(), { cause: error });
    });
  }
  const last = (await members()) ?? [];
  dev.kill("SIGTERM");
  await dev.exited;
  expect(dev.lines.some((line) => line.includes("draining"))).toBe(true);
  // Turbo does not wait for what its tasks started.
  await waitFor("all members to be gone", () => !last.some((member) => isAlive(member.pid)), {
    timeoutMs: 40_000,
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
