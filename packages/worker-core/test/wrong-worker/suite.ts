// Plays scenarios of the conformance suite against the worker with a defect, by process, as a user would.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";

/** What the suite said of a scenario. */
export interface Played {
  readonly id: string;
  readonly status: "pass" | "fail" | "unsupported" | "skipped";
  readonly detail: string;
  readonly took_ms: number;
}

export interface PlayOptions {
  /** The mistake; without one the worker is the conformance worker. */
  readonly defect?: string | undefined;
  /** Default: all scenarios. */
  readonly only?: readonly string[] | undefined;
  /** Scenarios at once. Default: the suite's. */
  readonly parallel?: number | undefined;
  /** Longest wait of a scenario, in seconds. Default: 8, because the failing ones wait for nothing. */
  readonly patience?: number | undefined;
  /** Where it is noted which mistakes would have mattered. */
  readonly traceFile?: string | undefined;
}

const suite = join(checkoutRoot, "packages/conformance/src/main.ts");
const worker = join(import.meta.dirname, "main.ts");

/** Runs the suite, nothing of it twice, and returns its report. Throws what it said on stderr where there is no report. */
export async function play(options: PlayOptions): Promise<Played[]> {
  const { defect, only = [], parallel, patience = 8, traceFile } = options;
  const env = [
    ...(defect === undefined ? [] : [`MUSTER_DEFECT=${defect}`]),
    ...(traceFile === undefined ? [] : [`MUSTER_DEFECT_TRACE=${traceFile}`]),
  ];
  const args = [
    suite,
    "--json",
    "--once",
    "--patience",
    String(patience),
    ...(parallel === undefined ? [] : ["--parallel", String(parallel)]),
    ...only.flatMap((id) => ["--only", id]),
    "--",
    // The suite hands none of its own MUSTER_ variables on; env becomes the worker, signals and all.
    ...(env.length === 0 ? [] : ["env", ...env]),
    process.execPath,
    worker,
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (said.stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (said.stderr += String(chunk)));
  await new Promise((resolve) => child.once("close", resolve));
  const last = said.stdout.trimEnd().split("\n").at(-1) ?? "";
  try {
    return (JSON.parse(last) as { scenarios: Played[] }).scenarios;
  } catch (cause) {
    throw new Error(`no report of the suite: ${said.stderr || said.stdout}`, { cause });
  }
}
