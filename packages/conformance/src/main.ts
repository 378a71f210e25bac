// Runs the conformance suite: see `usage` in options.ts.
import { setPatience } from "./lab/wait.ts";
import { type Options, readOptions, UsageError, usage } from "./options.ts";
import { closingOf, listingOf, reportOf, rowOf } from "./report.ts";
import { runScenarios } from "./runner.ts";
import { scenarios } from "./scenarios/index.ts";
import { uncovered } from "./uncovered.ts";

async function main(args: readonly string[]): Promise<number> {
  if (isHelpAsked(args)) {
    process.stdout.write(usage);
    return 0;
  }
  let options: Options;
  try {
    options = readOptions(args, scenarios);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${usage}`);
    return 2;
  }
  if (options.list) {
    for (const scenario of options.scenarios) print(listingOf(scenario));
    print("\nRequirements that no scenario proves:");
    for (const [requirement, reason] of Object.entries(uncovered))
      print(`${requirement.padEnd(12)} ${reason}`);
    return 0;
  }
  return play(options);
}

/** What comes after `--` is the worker's. */
function isHelpAsked(args: readonly string[]): boolean {
  const dashes = args.indexOf("--");
  const own = dashes === -1 ? args : args.slice(0, dashes);
  return own.includes("--help") || own.includes("-h");
}

async function play(options: Options): Promise<number> {
  clearEnvironment();
  const { command, parallel, allowUnsupported } = options;
  setPatience(options.patienceMs);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());
  const results = await runScenarios(options.scenarios, {
    command,
    parallel,
    ...(options.once ? { isBusySince: () => false } : {}),
    signal: stop.signal,
    onResult: (result) => print(rowOf(result)),
  });
  print(closingOf(results, options));
  if (options.json) print(JSON.stringify(reportOf(results)));
  const isCi = Boolean(process.env["CI"]);
  const mayBe = new Set(["pass", ...(allowUnsupported ? ["unsupported"] : []), ...(isCi ? [] : ["skipped"])]);
  const isGood =
    results.every(({ status }) => mayBe.has(status)) && results.some((one) => one.status === "pass");
  return isGood && !stop.signal.aborted ? 0 : 1;
}

/** The worker gets what the suite gives it, not what the shell happens to have set. */
function clearEnvironment(): void {
  for (const name of Object.keys(process.env)) {
    const isOurs = /^(MUSTER_|NATS_)/.test(name) || ["WORKER_ID", "LOG_LEVEL"].includes(name);
    if (isOurs && name !== "MUSTER_NATS_SERVER") delete process.env[name];
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const code = await main(process.argv.slice(2));
// What a scenario that was cut short still waits for is of no interest.
process.stdout.write("", () => process.exit(code));
