import { join } from "node:path";
import { checkoutRoot, startProcess } from "@muster/testkit";
import { describe, expect, test } from "vitest";
import { closingOf, countsOf, reportOf } from "../src/report.ts";
import { scenario, type Status } from "../src/scenario.ts";

const main = join(checkoutRoot, "packages/conformance/src/main.ts");

/** A worker that does one thing right: it says that its NATS_URL is bad. */
const refuses = [process.execPath, "-e", "console.error('NATS_URL: bad'); process.exit(2)"];
const silent = [process.execPath, "-e", "process.exit(2)"];

async function conformance(...args: string[]): Promise<{ code: number | null; lines: readonly string[] }> {
  await using run = startProcess("conformance", [process.execPath, main, ...args], { CI: "" });
  const { code } = await run.exited;
  return { code, lines: run.lines };
}

describe("./muster conformance", () => {
  test("plays the one scenario that --only names, against any command, and ends with one JSON object", async () => {
    const { code, lines } = await conformance("--json", "--only", "env-url-none", "--", ...refuses);
    expect(code, lines.join("\n")).toBe(0);
    expect(lines[0]).toMatch(/^pass +env-url-none +ENV-2/);
    const report = JSON.parse(lines.at(-1) ?? "");
    expect(report).toEqual({
      scenarios: [
        {
          id: "env-url-none",
          requirement: "ENV-2",
          requirements: ["ENV-2", "EXIT-1"],
          status: "pass",
          detail: "",
          took_ms: expect.any(Number),
        },
      ],
    });
  });

  test("exits with 1 when a scenario fails, and says what was not as it should be", async () => {
    const { code, lines } = await conformance("--only", "env-url-none", "--", ...silent);
    expect(code).toBe(1);
    expect(lines.join("\n")).toContain("lines said: got 0, wanted 1");
    expect(lines.at(-1)).toBe("0 passed, 1 failed");
  });

  test.each([
    [[], "which worker?"],
    [["ts", "--", "true"], "not both"],
    [["--only", "no-such-one", "--", "true"], "no scenario no-such-one"],
    [["--parallel", "0", "ts"], "--parallel"],
    [["--patience", "soon", "ts"], "--patience"],
    [["rust"], 'unknown argument "rust"'],
  ])("refuses %j with 2 and a word why", async (args, why) => {
    const { code, lines } = await conformance(...args);
    expect(code).toBe(2);
    expect(lines[0]).toContain(why);
  });

  test("--list names every scenario, and the requirements that none proves", async () => {
    const { code, lines } = await conformance("--list");
    expect(code).toBe(0);
    expect(lines[0]).toMatch(/^env-url-scheme +ENV-2/);
    expect(lines.join("\n")).toMatch(/^PUB-1 +binds publishers/m);
  });
});

describe("report", () => {
  const result = (id: string, status: Status) => ({
    scenario: scenario(id, "HOLD-1 HOLD-2", `title of ${id}`, async () => undefined),
    status,
    detail: status === "pass" ? "" : `why ${id}`,
    tookMs: 1234,
    logs: [`log of ${id}`],
  });
  const results = [
    result("a", "pass"),
    result("b", "fail"),
    result("c", "unsupported"),
    result("d", "skipped"),
  ];

  test("counts what passed and failed, and what is neither where there is any", () => {
    expect(countsOf(results)).toBe("1 passed, 1 failed, 1 unsupported, 1 skipped");
    expect(countsOf([result("a", "pass")])).toBe("1 passed, 0 failed");
  });

  test("closes with all that did not pass, by status, and with the logs where they are asked for", () => {
    const text = closingOf(results, { logs: false });
    for (const id of ["b", "c", "d"]) expect(text).toContain(`why ${id}`);
    expect(text).not.toContain("log of");
    expect(closingOf(results, { logs: true })).toContain("log of b");
  });

  test("has one entry for each scenario", () => {
    expect(
      reportOf(results).scenarios.map(({ id, requirement, status }) => [id, requirement, status]),
    ).toEqual([
      ["a", "HOLD-1", "pass"],
      ["b", "HOLD-1", "fail"],
      ["c", "HOLD-1", "unsupported"],
      ["d", "HOLD-1", "skipped"],
    ]);
  });
});
