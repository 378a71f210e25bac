import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../setup/tools.ts";
import { type Count, type Show, type Suite, start, sum } from "./suite.ts";

/** Folders at once: tests mostly wait, for servers, deadlines and redeliveries, and two keep two cores busy. */
const LANES = 2;

/**
 * Runs vitest in the given folders, the first ones first, and counts by its JSON reports. No test run at all counts as failed.
 * What is skipped is told by its title, which gives the reason.
 * @param filters Runs only test files whose path has one of these; default: all.
 */
export function vitest(
  folders: readonly string[],
  env: Record<string, string> = {},
  filters: readonly string[] = [],
): Suite["run"] {
  return async (show) => {
    const scratch = await mkdtemp(join(tmpdir(), "muster-vitest-"));
    const counts: Count[] = [];
    const waiting = [...folders.entries()];
    const lane = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        counts.push(await runIn(next[1], join(scratch, `${next[0]}.json`), env, filters, show));
    };
    try {
      await Promise.all(Array.from({ length: LANES }, lane));
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
    return sum(counts);
  };
}

async function runIn(
  folder: string,
  report: string,
  env: Record<string, string>,
  filters: readonly string[],
  show: Show,
): Promise<Count> {
  const argv = [
    join(root, "node_modules/.bin/vitest"),
    "run",
    ...filters,
    "--reporter=default",
    "--reporter=json",
  ];
  const { code, text } = await start([...argv, `--outputFile.json=${report}`], env, join(root, folder));
  const seen: Report | undefined = await readFile(report, "utf8").then(JSON.parse, () => undefined);
  const failed: number = seen?.numFailedTests ?? 1;
  // An error outside of any test (a file that does not load, a leak) fails the run without a failed test.
  const wrong = code !== 0 && failed === 0 ? 1 : failed;
  if (wrong > 0) show(`${folder}:\n${text}`);
  for (const title of skippedOf(seen)) show(`skipped in ${folder}: ${title}`);
  return {
    passed: seen?.numPassedTests ?? 0,
    failed: wrong,
    skipped: (seen?.numPendingTests ?? 0) + (seen?.numTodoTests ?? 0),
  };
}

/** What is read of vitest's JSON report. */
type Report = {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { assertionResults: { status: string; title: string; ancestorTitles: string[] }[] }[];
};

/** The outermost titles of what was skipped, each once. */
function skippedOf(report: Report | undefined): Set<string> {
  const tests = report?.testResults.flatMap(({ assertionResults }) => assertionResults) ?? [];
  const skipped = tests.filter(({ status }) => status === "pending" || status === "skipped");
  return new Set(skipped.map(({ ancestorTitles, title }) => ancestorTitles[0] ?? title));
}
