import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../setup/tools.ts";
import { type Suite, start } from "./suite.ts";

/** Runs vitest in the given folders and counts by its JSON report. No test run at all counts as failed. */
export function vitest(folders: readonly string[], env: Record<string, string> = {}): Suite["run"] {
  return async (show) => {
    const scratch = await mkdtemp(join(tmpdir(), "muster-vitest-"));
    const total = { passed: 0, failed: 0, skipped: 0 };
    try {
      for (const folder of folders) {
        const report = join(scratch, "report.json");
        await rm(report, { force: true });
        const argv = [join(root, "node_modules/.bin/vitest"), "run", "--reporter=default", "--reporter=json"];
        const { code, text } = await start([...argv, `--outputFile.json=${report}`], env, join(root, folder));
        const seen = await readFile(report, "utf8").then(JSON.parse, () => undefined);
        const failed: number = seen?.numFailedTests ?? 1;
        total.passed += seen?.numPassedTests ?? 0;
        total.skipped += (seen?.numPendingTests ?? 0) + (seen?.numTodoTests ?? 0);
        // An error outside of any test (a file that does not load, a leak) fails the run without a failed test.
        const wrong = code !== 0 && failed === 0 ? 1 : failed;
        total.failed += wrong;
        if (wrong > 0) show(`${folder}:\n${text}`);
      }
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
    return total;
  };
}
