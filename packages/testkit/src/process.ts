import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { waitFor } from "./wait.ts";

/** A child process with its output kept by line. Disposing of it kills it. */
export type Proc = {
  readonly name: string;
  readonly pid: number;
  /** Lines of stdout and stderr, in order of arrival; of a talkative process the last 20,000 or so. */
  readonly lines: readonly string[];
  /** Resolves with the first line, past or future, that matches. Fails when the process ends before. */
  waitForLine(match: RegExp | ((line: string) => boolean), timeoutMs?: number): Promise<string>;
  kill(signal?: NodeJS.Signals): void;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** How to start a process, where the defaults do not fit. */
export type ProcOptions = {
  cwd?: string;
  /** Gets every line as it comes. */
  onLine?: (line: string) => void;
  /** Out of the terminal's process group: a Ctrl-C meant for us does not reach it, we end it in our order. */
  detached?: boolean;
};

const maxLines = 20_000;

/** Starts a program with `env` laid over this process's environment. */
export function startProcess(
  name: string,
  argv: readonly string[],
  env: Record<string, string> = {},
  options: ProcOptions = {},
): Proc {
  const [file, ...args] = argv;
  if (file === undefined) throw new Error(`${name}: no program to start`);
  const child = spawn(file, args, {
    env: { ...process.env, ...env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    detached: options.detached === true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  let ended = false;
  const take = (line: string): void => {
    lines.push(line);
    if (lines.length > 2 * maxLines) lines.splice(0, maxLines);
    options.onLine?.(line);
  };
  createInterface({ input: child.stdout }).on("line", take);
  createInterface({ input: child.stderr }).on("line", take);
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => {
    child.once("error", (error) => {
      take(`${name}: ${error.message}`);
      ended = true;
      done({ code: null, signal: null });
    });
    child.once("close", (code, signal) => {
      ended = true;
      done({ code, signal });
    });
  });
  return {
    name,
    pid: child.pid ?? 0,
    lines,
    exited,
    kill: (signal = "SIGKILL") => void child.kill(signal),
    async waitForLine(match, timeoutMs = 15_000) {
      const hit = (line: string): boolean => (typeof match === "function" ? match(line) : match.test(line));
      const find = (): string | undefined => {
        const line = lines.find(hit);
        if (line === undefined && ended) throw new Error(`${name} ended:\n${lines.slice(-20).join("\n")}`);
        return line;
      };
      return waitFor(`a line of ${name} that matches ${match}`, find, { timeoutMs });
    },
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill("SIGKILL");
      await exited;
    },
  };
}
