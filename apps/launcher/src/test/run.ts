import type { Ready } from "../setup/index.ts";
import { say } from "../setup/tools.ts";
import { type Count, type Suite, sum } from "./suite.ts";
import { suites } from "./suites.ts";

/** Runs the everyday suites, or the named ones (`all`: every one); gives the exit code. */
export async function test(words: readonly string[], ready: Ready): Promise<number> {
  const all = suites(ready);
  const names = words.includes("all") ? all.map(({ name }) => name) : words;
  // `conformance` stands for all of `conformance ts`, `conformance go`, `conformance py`.
  const isMeant = ({ name }: Suite, word: string): boolean => name === word || name.startsWith(`${word} `);
  const unknown = names.filter((name) => !all.some((suite) => isMeant(suite, name)));
  if (unknown.length > 0) {
    say(`no suite ${unknown.join(", ")}; there are ${all.map((suite) => suite.name).join(", ")}`);
    return 2;
  }
  const chosen = all.filter((suite) =>
    names.length === 0 ? suite.isExtra !== true : names.some((name) => isMeant(suite, name)),
  );
  const isCi = Boolean(process.env["CI"]);
  return runSuites(chosen, { isCi, print: (text) => void process.stdout.write(`${text}\n`) });
}

/**
 * Runs suites one after another: what failed, a line each, then the plain closing line.
 * A missing language is a skip with its reason here, and a failure where `isCi`; in suites that run without it, too.
 */
export async function runSuites(
  chosen: readonly Suite[],
  { isCi, print }: { isCi: boolean; print: (text: string) => void },
): Promise<number> {
  const counts: Count[] = [];
  for (const suite of chosen) {
    const began = performance.now();
    const { count, reason } = await outcome(suite, isCi, (text) => print(text.trimEnd()));
    const seconds = Math.round((performance.now() - began) / 1000);
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
    const line = `${count.passed} passed, ${count.failed} failed${skipped}  (${seconds} s)`;
    print(`${suite.name.padEnd(14)} ${line}${reason === undefined ? "" : `  ${reason}`}`);
    counts.push(count);
  }
  const { passed, failed } = sum(counts);
  print(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

async function outcome(
  suite: Suite,
  isCi: boolean,
  show: (text: string) => void,
): Promise<{ count: Count; reason?: string }> {
  if (suite.skip !== undefined) {
    return { count: { passed: 0, failed: isCi ? 1 : 0, skipped: 1 }, reason: suite.skip };
  }
  const count = await suite.run(show).catch((error: unknown): Count => {
    show(error instanceof Error ? error.message : String(error));
    return { passed: 0, failed: 1, skipped: 0 };
  });
  if (count.passed + count.failed === 0) return { count: { ...count, failed: 1 }, reason: "no test ran" };
  const { without = [] } = suite;
  if (without.length === 0) return { count };
  const left = { passed: 0, failed: isCi ? without.length : 0, skipped: without.length };
  return { count: sum([count, left]), reason: without.join("; ") };
}
