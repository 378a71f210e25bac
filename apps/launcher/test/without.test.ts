import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot, freePort, type Language, startProcess } from "@muster/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { languagesHere } from "./languages.ts";
import { type Lack, type Machine, machineWithout, noGo, noNats, noPython } from "./machine.ts";

// The machines link what this checkout's set-up has brought: it must be of today, or they would bring it themselves.
beforeAll(async () => {
  await using setup = startProcess("setup", [join(checkoutRoot, "muster"), "setup"], { NATS_URL: "" });
  expect((await setup.exited).code, setup.lines.join("\n")).toBe(0);
}, 600_000);

const leftOut = /muster: (Go|Python) is left out: install (Go 1\.26|Python 3\.11) or later/;

describe.each<[Language, string, Lack]>([
  ["go", "Go", noGo],
  ["py", "Python", noPython],
])("without %s", (language, name, lack) => {
  const others = languagesHere.filter((one) => one !== language);

  test("the demo says in one line how to get it, and closes the account with the others", async () => {
    await using machine = await machineWithout(lack);
    await using demo = machine.muster(["demo", "--orders", "60", "--seed", "5", "--json"]);
    expect((await demo.exited).code, demo.lines.join("\n")).toBe(0);
    const about = demo.lines.filter((line) => line.includes(name) || line.includes(`without ${language}`));
    expect(about, demo.lines.join("\n")).toEqual([expect.stringMatching(leftOut)]);
    expect(demo.lines).toContain(`members: ${others.map((one) => `demo-${one}-1`).join(", ")}`);
    const outcome = JSON.parse(demo.lines.findLast((line) => line.startsWith('{"published"')) ?? "{}");
    expect(outcome).toMatchObject({ published: 60, lost: 0, repeated: 0, killed: 1 });
    expect(Object.keys(outcome.done_by_language).sort()).toEqual([...others].sort());
  });
});

test("without Go a worker that was built before is not taken: its sources may be newer", async () => {
  await using machine = await machineWithout({ ...noGo, brought: /^$/ });
  await using demo = machine.muster(["demo", "--orders", "20", "--json"]);
  expect((await demo.exited).code, demo.lines.join("\n")).toBe(0);
  const members = demo.lines.find((line) => line.startsWith("members: "));
  expect(members).toContain("demo-ts-1");
  expect(members).not.toContain("demo-go-1");
});

describe("without Go and without nats-server", () => {
  const told = /no nats-server, and no Go 1\.26 .*PATH.*install Go.*NATS_URL/;

  test.each([["demo"], ["up"], ["test", "drift"]])(
    "%s says what to install, and nothing else",
    async (...args) => {
      await using machine = await machineWithout(noGo, noNats);
      await using proc = machine.muster(args);
      expect((await proc.exited).code).toBe(1);
      expect(proc.lines).toEqual([expect.stringMatching(told)]);
    },
  );
});

describe("without Go and without Python", () => {
  const bare = (): Promise<Machine> => machineWithout(noGo, noPython);

  test("up starts the rest of the fleet, and drains it", async () => {
    await using machine = await bare();
    const store = await mkdtemp(join(tmpdir(), "muster-bare-"));
    try {
      const [nats, http] = [await freePort(), await freePort()];
      const env = { MUSTER_DEV_PORT: String(nats), MUSTER_PORT: String(http), MUSTER_DEV_STORE: store };
      await using up = machine.muster(["up"], env);
      await up.waitForLine(/Ctrl-C/, 60_000);
      await up.waitForLine(/^ts .*joined|^ts \{/, 30_000);
      up.kill("SIGTERM");
      expect((await up.exited).code, up.lines.join("\n")).toBe(0);
      expect(up.lines.filter((line) => leftOut.test(line))).toHaveLength(2);
      expect(up.lines.join("\n")).toMatch(/group +ORDERS billing, 1 worker;/);
    } finally {
      await rm(store, { recursive: true, force: true });
    }
  });

  test("their test suites are skipped with the reason, and fail in CI", async () => {
    await using machine = await bare();
    for (const [ci, code, sum] of [
      ["", 0, /^[1-9][0-9]* passed, 0 failed$/],
      ["1", 1, /^[1-9][0-9]* passed, 2 failed$/],
    ] as const) {
      await using run = machine.muster(["test", "drift", "go", "py"], { CI: ci });
      expect((await run.exited).code, run.lines.join("\n")).toBe(code);
      expect(run.lines.join("\n")).toMatch(/^go +0 passed.*1 skipped .*Go is left out: install Go/m);
      expect(run.lines.join("\n")).toMatch(/^py +0 passed.*1 skipped .*Python is left out: install Python/m);
      expect(run.lines.filter((line) => / passed, /.test(line)).at(-1)).toMatch(sum);
    }
  });
});
