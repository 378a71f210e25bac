import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";

const run = promisify(execFile);

/** Where the configuration and the rules stand. */
export const prometheusDir: string = join(checkoutRoot, "infra/prometheus");

/**
 * Why tests with Prometheus cannot run here, for `describe.skipIf`; undefined where they can.
 * In CI they always run, so that missing programs fail.
 */
export async function prometheusMissing(): Promise<string | undefined> {
  if (process.env["CI"]) return undefined;
  try {
    await Promise.all([run("promtool", ["--version"]), run("prometheus", ["--version"])]);
    return undefined;
  } catch {
    return "skipped: no prometheus and promtool on the PATH; .ci/prometheus brings them";
  }
}

/** Runs promtool: what it said, and whether it was content. */
export async function promtool(args: readonly string[]): Promise<{ isGood: boolean; text: string }> {
  try {
    const { stdout, stderr } = await run("promtool", [...args]);
    return { isGood: true, text: stdout + stderr };
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    if (stdout === undefined || stderr === undefined) throw error;
    return { isGood: false, text: stdout + stderr };
  }
}
