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
export async function promtool(args: readonly string[]): Promise<Said> {
  return await attempt("promtool", args);
}

/** What a program said, and whether it ended with 0. */
export type Said = { isGood: boolean; text: string };

/** Runs a program to its end. Fails only where it cannot be started. */
export async function attempt(
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Said> {
  const { cwd, env = {} } = options;
  const inside = cwd === undefined ? {} : { cwd };
  try {
    const all = { ...inside, env: { ...process.env, ...env }, maxBuffer: 64 << 20 };
    const { stdout, stderr } = await run(file, [...args], all);
    return { isGood: true, text: stdout + stderr };
  } catch (error) {
    const { stdout, stderr, code } = error as { stdout?: string; stderr?: string; code?: unknown };
    if (stdout === undefined || stderr === undefined || code === "ENOENT") throw error;
    return { isGood: false, text: stdout + stderr };
  }
}
