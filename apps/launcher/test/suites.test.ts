import { expect, test, vi } from "vitest";
import { runSuites } from "../src/test/run.ts";
import { checks, type Suite } from "../src/test/suite.ts";
import { conformanceSuites } from "../src/test/conformance.ts";
import { fleetSuites } from "../src/test/fleet.ts";
import { vitest } from "../src/test/vitest.ts";

const node = process.execPath;
const good: Suite = { name: "good", run: checks([node, "-e", "0"], [node, "-e", "0"]) };
const bad: Suite = { name: "bad", run: checks([node, "-e", "console.log('why it broke'); process.exit(1)"]) };
const empty: Suite = { name: "empty", run: async () => ({ passed: 0, failed: 0, skipped: 3 }) };
const partly: Suite = { ...good, name: "partly", without: ["Go is left out: install it"] };
const broken: Suite = { name: "broken", run: () => Promise.reject(new Error("no network")) };
const left: Suite = { name: "left", skip: "Go is left out: install it", run: good.run };

async function run(suites: Suite[], isCi = false): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const code = await runSuites(suites, { isCi, print: (text) => lines.push(text) });
  return { code, lines };
}

test("each suite has a line, and the last line is the plain sum", async () => {
  const { code, lines } = await run([good, good]);
  expect(code).toBe(0);
  expect(lines[0]).toMatch(/^good +2 passed, 0 failed {2}\(\d+ s\)$/);
  expect(lines.at(-1)).toBe("4 passed, 0 failed");
});

test("a failing suite shows its output and fails the run, and the next suite still runs", async () => {
  const { code, lines } = await run([bad, good]);
  expect(code).toBe(1);
  expect(lines.join("\n")).toContain("why it broke");
  expect(lines.at(-1)).toBe("2 passed, 1 failed");
});

test("a suite in which no test ran counts as failed", async () => {
  const { code, lines } = await run([good, empty]);
  expect(code).toBe(1);
  expect(lines.join("\n")).toContain("no test ran");
});

test("a missing language is a skip with its reason, and a failure in CI", async () => {
  const here = await run([good, left]);
  expect(here.code).toBe(0);
  expect(here.lines.join("\n")).toContain("Go is left out");
  const ci = await run([good, left], true);
  expect(ci.code).toBe(1);
  expect(ci.lines.at(-1)).toBe("2 passed, 1 failed");
});

test("a suite that runs without a language says so, and fails in CI", async () => {
  const here = await run([partly]);
  expect(here.code).toBe(0);
  expect(here.lines[0]).toMatch(/^partly +2 passed, 0 failed, 1 skipped .* Go is left out: install it$/);
  const ci = await run([partly], true);
  expect(ci.code).toBe(1);
  expect(ci.lines.at(-1)).toBe("2 passed, 1 failed");
});

test("what vitest skips is counted, and told once with its reason", async () => {
  const shown: string[] = [];
  const count = await vitest(["apps/launcher/test/skips"])((text) => shown.push(text));
  expect(count).toEqual({ passed: 1, failed: 0, skipped: 2 });
  expect(shown).toEqual(["skipped in apps/launcher/test/skips: a fleet: no engine runs here: start one"]);
});

test("a suite that cannot run says why, counts as failed, and the next one still runs", async () => {
  const { code, lines } = await run([broken, good]);
  expect(code).toBe(1);
  expect(lines[0]).toBe("no network");
  expect(lines.at(-1)).toBe("2 passed, 1 failed");
});

test("the scenarios have a suite for each language that is asked for; one that is missing says why", () => {
  const suites = (missing: { go?: string; py?: string }): string[] =>
    conformanceSuites({ missing }).map(({ name, skip }) => (skip === undefined ? name : `${name}: ${skip}`));
  vi.stubEnv("MUSTER_TEST_LANGS", undefined);
  expect(suites({})).toEqual(["conformance ts", "conformance go", "conformance py"]);
  expect(suites({ go: "left out" })).toEqual([
    "conformance ts",
    "conformance go: left out",
    "conformance py",
  ]);
  vi.stubEnv("MUSTER_TEST_LANGS", "go,py");
  expect(suites({})).toEqual(["conformance go", "conformance py"]);
  vi.unstubAllEnvs();
});

test("the fleet has a suite for each ledger with an account, and needs all languages", () => {
  const skipped = fleetSuites({ missing: { go: "Go is left out: install it" } });
  expect(skipped.map(({ name, skip }) => `${name}: ${skip}`)).toEqual([
    "fleet kv: Go is left out: install it",
    "fleet postgres: Go is left out: install it",
  ]);
  const [kv] = fleetSuites({ missing: {} });
  expect(kv?.skip).toBeUndefined();
});
