import type { Ready } from "../setup/index.ts";
import { say } from "../setup/tools.ts";
import { type Count, sum } from "./suite.ts";
import { suites } from "./suites.ts";

/**
 * Runs all suites or the named ones, one after another: a line each, then the plain closing line.
 * A missing language is a skip with its reason here, and a failure where `CI` is set.
 */
export async function test(names: readonly string[], ready: Ready): Promise<number> {
  const all = suites(ready);
  const unknown = names.filter((name) => !all.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    say(`no suite ${unknown.join(", ")}; there are ${all.map((suite) => suite.name).join(", ")}`);
    return 2;
  }
  const counts: Count[] = [];
  for (const suite of all.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const began = performance.now();
    let count: Count;
    let reason = "";
    const shown: string[] = [];
    if (suite.skip === undefined) {
      count = await suite.run((text) => shown.push(text));
      if (count.passed + count.failed === 0) {
        count.failed = 1;
        reason = "  no test ran";
      }
    } else {
      count = { passed: 0, failed: process.env["CI"] ? 1 : 0, skipped: 1 };
      reason = `  ${suite.skip}`;
    }
    for (const text of shown) process.stdout.write(`${text.trimEnd()}\n`);
    const seconds = Math.round((performance.now() - began) / 1000);
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
    const line = `${count.passed} passed, ${count.failed} failed${skipped}  (${seconds} s)${reason}`;
    process.stdout.write(`${suite.name.padEnd(12)} ${line}\n`);
    counts.push(count);
  }
  const { passed, failed } = sum(counts);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}
