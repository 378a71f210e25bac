import { join } from "node:path";
import { bringGolangciLint } from "../setup/golangci-lint.ts";
import { home, root } from "../setup/tools.ts";
import { type Count, type Suite, start, sum } from "./suite.ts";

const goModules = ["packages/worker-core-go", "apps/worker-go"];
const pyProjects = ["packages/worker-core-py", "apps/worker-py"];
/** Programs of one file, run by the control plane's tests. */
const examples = "docs/examples";

/** gofmt, golangci-lint, go vet, and the tests of both modules with the race detector where a C compiler is there. */
export const go: Suite["run"] = async (show) => {
  const counts: Count[] = [];
  const check = async (
    argv: readonly string[],
    isGood: (text: string) => boolean,
    cwd = root,
  ): Promise<void> => {
    const { code, text } = await start(argv, {}, cwd);
    const good = code === 0 && isGood(text);
    if (!good) show(`$ ${argv.join(" ")}\n${text}`);
    counts.push({ passed: good ? 1 : 0, failed: good ? 0 : 1, skipped: 0 });
  };
  await check(["gofmt", "-l", ...goModules, examples], (text) => text.trim() === "");
  await check([bringGolangciLint(), "run", ...goModules.map((module) => `./${module}/...`)], () => true);
  const race = (await start(["cc", "--version"])).code === 0 ? ["-race"] : [];
  if (race.length === 0) show("no C compiler: the Go tests run without the race detector");
  for (const module of goModules) {
    await check(["go", "vet", "./..."], () => true, join(root, module));
    const env = race.length > 0 ? { CGO_ENABLED: "1" } : {};
    // Go's cache of passed tests does not see the server and the programs that these start.
    const { code, text } = await start(
      ["go", "test", "-json", "-count=1", ...race, "./..."],
      env,
      join(root, module),
    );
    const count = countGo(text);
    if (code !== 0 && count.failed === 0) count.failed = 1;
    if (count.failed > 0) show(plainGo(text));
    counts.push(count);
  }
  return sum(counts);
};

type GoEvent = { Action: string; Test?: string; Output?: string };

function eventsOf(text: string): GoEvent[] {
  return text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as GoEvent];
    } catch {
      return [{ Action: "output", Output: `${line}\n` }];
    }
  });
}

function countGo(text: string): Count {
  const of = (action: string): number =>
    eventsOf(text).filter((event) => event.Action === action && event.Test !== undefined).length;
  return { passed: of("pass"), failed: of("fail"), skipped: of("skip") };
}

/** What failed tests printed, and what came from no test: the compiler, a crash. */
function plainGo(text: string): string {
  const events = eventsOf(text);
  const failed = new Set(events.filter((event) => event.Action === "fail").map((event) => event.Test));
  const told = events.filter(
    ({ Action, Test }) => Action === "output" && (Test === undefined || failed.has(Test)),
  );
  const output = told.map((event) => event.Output ?? "");
  return output.join("").split("\n").slice(-200).join("\n");
}

/** ruff, mypy and pytest of both projects. */
export const py: Suite["run"] = async (show) => {
  const counts: Count[] = [];
  const bin = (name: string): string => join(home, "venv/bin", name);
  const lint = await start([bin("ruff"), "check", examples]);
  if (lint.code !== 0) show(lint.text);
  counts.push({ passed: lint.code === 0 ? 1 : 0, failed: lint.code === 0 ? 0 : 1, skipped: 0 });
  const path = pyProjects.map((project) => join(root, project, "src")).join(":");
  for (const project of pyProjects) {
    const cwd = join(root, project);
    for (const argv of [
      [bin("ruff"), "check", "."],
      [bin("ruff"), "format", "--check", "."],
      [bin("mypy")],
    ]) {
      const { code, text } = await start(argv, { MYPYPATH: path, PYTHONPATH: path }, cwd);
      if (code !== 0) show(`${project}$ ${argv.join(" ")}\n${text}`);
      counts.push({ passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 });
    }
    const { code, text } = await start(
      [bin("python"), "-m", "pytest", "-q", "-ra"],
      { PYTHONPATH: path },
      cwd,
    );
    const number = (word: string): number =>
      Number(new RegExp(`(\\d+) ${word}`).exec(text.slice(-2000))?.[1] ?? 0);
    const count = {
      passed: number("passed"),
      failed: number("failed") + number("error"),
      skipped: number("skipped"),
    };
    if (code !== 0 && count.failed === 0) count.failed = 1;
    if (count.failed > 0) show(`${project}:\n${text.slice(-15_000)}`);
    counts.push(count);
  }
  return sum(counts);
};
