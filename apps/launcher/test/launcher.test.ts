import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot, freePort, startProcess, waitFor } from "@muster/testkit";
import { expect, test } from "vitest";
import { languagesHere } from "./languages.ts";

const muster = join(checkoutRoot, "muster");

test("the launcher works from any folder and through a link", async () => {
  const folder = await mkdtemp(join(tmpdir(), "muster-link-"));
  try {
    await symlink(muster, join(folder, "m"));
    await using help = startProcess("help", [join(folder, "m"), "help"], {}, { cwd: folder });
    expect((await help.exited).code).toBe(0);
    expect(help.lines.join("\n")).toContain("./muster <command>");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a language that is not there ends with 2 and the words that are", async () => {
  await using worker = startProcess("worker", [muster, "worker", "cobol"]);
  expect((await worker.exited).code).toBe(2);
  expect(worker.lines.join("\n")).toContain("ts|go|py");
});

test("a benchmark of a language that has none ends with 2 and the words that are", async () => {
  await using bench = startProcess("bench", [muster, "bench", "core", "--lang", "cobol"]);
  expect((await bench.exited).code).toBe(2);
  expect(bench.lines.join("\n")).toContain("ts, go or py");
});

test("signals reach a worker, and its exit code comes back", async () => {
  const port = await freePort();
  const env = { NATS_URL: `nats://127.0.0.1:${port}`, MUSTER_STREAM: "S", MUSTER_GROUP: "g", WORKER_ID: "w" };
  await using worker = startProcess("worker", [muster, "worker", "ts"], env);
  await worker.waitForLine((line) => line.startsWith("{"), 30_000);
  worker.kill("SIGTERM");
  expect(await worker.exited).toEqual({ code: 0, signal: null });
  await using wrong = startProcess("worker", [muster, "worker", "ts"], { ...env, NATS_URL: "nowhere" });
  expect((await wrong.exited).code).toBe(2);
});

test("up starts a fleet of all languages, and drains it", async () => {
  const store = await mkdtemp(join(tmpdir(), "muster-up-"));
  try {
    const [nats, http] = [await freePort(), await freePort()];
    const env = {
      MUSTER_DEV_PORT: String(nats),
      MUSTER_PORT: String(http),
      MUSTER_DEV_STORE: store,
      NATS_URL: "",
    };
    await using fleet = startProcess("up", [muster, "up"], env);
    await fleet.waitForLine(/Ctrl-C/, 60_000);
    const cli = { MUSTER_URL: `http://127.0.0.1:${http}` };
    const languages = await waitFor(
      "members of all languages",
      async () => {
        await using get = startProcess(
          "groups get",
          [muster, "groups", "get", "ORDERS", "billing", "-o", "json"],
          cli,
        );
        expect((await get.exited).code, get.lines.join("\n")).toBe(0);
        const group = JSON.parse(get.lines.join("\n")) as { members: { language: string }[] };
        const seen = new Set(group.members.map((member) => member.language));
        return seen.size === languagesHere.length ? seen : undefined;
      },
      { timeoutMs: 60_000, everyMs: 500 },
    );
    expect([...languages].sort()).toEqual([...languagesHere].sort());
    fleet.kill("SIGTERM");
    expect((await fleet.exited).code, fleet.lines.slice(-10).join("\n")).toBe(0);
  } finally {
    await rm(store, { recursive: true, force: true });
  }
});
