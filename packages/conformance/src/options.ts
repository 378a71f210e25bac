import { type Language, languages, type WorkerCommand, workerCommand } from "@muster/testkit";
import type { Scenario } from "./scenario.ts";

export const usage = `Usage: ./muster conformance ts|go|py [options]
       ./muster conformance [options] -- <worker command>

Plays the scenarios of the worker protocol against a worker, on a nats-server of its own.
The command must become the worker itself (exec): signals go to its process.

  --json               one object on the last line: {scenarios: [{id, requirement, status, detail, …}]}
  --only <id>          play this scenario; may be given several times
  --allow-unsupported  a worker that says what it does not support may pass; the list is printed
  --parallel <n>       scenarios at once (default: 8)
  --patience <s>       longest wait for what a good worker does in a second or two (default: 40)
  --once               play nothing again, however busy the machine is
  --logs               print what the workers of a failed scenario said
  --list               print scenarios and requirements, and play nothing

Exit 0: all passed. 1: something did not. 2: the arguments are wrong.
`;

/** What the command line asks for. */
export type Options = {
  command: WorkerCommand;
  scenarios: Scenario[];
  json: boolean;
  allowUnsupported: boolean;
  parallel: number;
  patienceMs: number;
  once: boolean;
  list: boolean;
  logs: boolean;
};

/** The arguments are wrong; the message says how. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Reads the command line. Throws `UsageError`. */
export function readOptions(args: readonly string[], all: readonly Scenario[]): Options {
  const dashes = args.indexOf("--");
  const own = dashes === -1 ? [...args] : args.slice(0, dashes);
  const argv = dashes === -1 ? [] : args.slice(dashes + 1);
  const flags = new Set<string>();
  const only: string[] = [];
  let parallel = 8;
  let patience = 40;
  let language: Language | undefined;
  while (own.length > 0) {
    const word = own.shift() ?? "";
    if (["--json", "--allow-unsupported", "--list", "--logs", "--once"].includes(word)) flags.add(word);
    else if (word === "--only") only.push(own.shift() ?? "");
    else if (word === "--parallel") parallel = Number(own.shift());
    else if (word === "--patience") patience = Number(own.shift());
    else if (isLanguage(word) && language === undefined) language = word;
    else throw new UsageError(`unknown argument ${JSON.stringify(word)}`);
  }
  const unknown = only.filter((id) => !all.some((scenario) => scenario.id === id));
  if (unknown.length > 0) throw new UsageError(`no scenario ${unknown.join(", ")}; --list prints them`);
  if (!Number.isInteger(parallel) || parallel < 1) throw new UsageError("--parallel takes a number from 1");
  if (!(patience > 0 && patience <= 90)) throw new UsageError("--patience takes seconds up to 90");
  const list = flags.has("--list");
  if (language !== undefined && argv.length > 0)
    throw new UsageError("a language or a command after --, not both");
  if (language === undefined && argv.length === 0 && !list)
    throw new UsageError("which worker? ts, go, py, or a command after --");
  return {
    command: list ? { argv: [], env: {} } : commandOf(language, argv),
    scenarios: all.filter(({ id }) => only.length === 0 || only.includes(id)),
    json: flags.has("--json"),
    allowUnsupported: flags.has("--allow-unsupported"),
    parallel,
    patienceMs: patience * 1000,
    once: flags.has("--once"),
    list,
    logs: flags.has("--logs"),
  };
}

function commandOf(language: Language | undefined, argv: string[]): WorkerCommand {
  return language === undefined ? { argv, env: {} } : workerCommand(language, { conformance: true });
}

function isLanguage(word: string): word is Language {
  return (languages as readonly string[]).includes(word);
}
