import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

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
  // Asked again at every line and at the end.
  const waiting = new Set<() => void>();
  const take = (line: string): void => {
    lines.push(line);
    if (lines.length > 2 * maxLines) lines.splice(0, maxLines);
    options.onLine?.(line);
    for (const look of waiting) look();
  };
  createInterface({ input: child.stdout }).on("line", take);
  createInterface({ input: child.stderr }).on("line", take);
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => {
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      ended = true;
      done({ code, signal });
      for (const look of waiting) look();
    };
    child.once("error", (error) => {
      take(`${name}: ${error.message}`);
      end(null, null);
    });
    child.once("close", end);
  });
  return {
    name,
    pid: child.pid ?? 0,
    lines,
    exited,
    kill: (signal = "SIGKILL") => void child.kill(signal),
    waitForLine(match, timeoutMs = 15_000) {
      const hit = (line: string): boolean => (typeof match === "function" ? match(line) : match.test(line));
      const tail = (): string => lines.slice(-20).join("\n");
      return new Promise((found, fail) => {
        const look = (): void => {
          const line = lines.find(hit);
          if (line !== undefined) settle(() => found(line));
          else if (ended)
            settle(() =>
              fail(new Error(`${name} ended without a line that matches ${String(match)}:\n${tail()}`)),
            );
        };
        const late = (): void =>
          settle(() =>
            fail(
              new Error(
                `waited ${timeoutMs} ms for a line of ${name} that matches ${String(match)}:\n${tail()}`,
              ),
            ),
          );
        const timer = setTimeout(late, timeoutMs);
        const settle = (end: () => void): void => {
          clearTimeout(timer);
          waiting.delete(look);
          end();
        };
        waiting.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      if (!ended && options.detached === true && child.pid !== undefined) killGroup(child.pid);
      else if (!ended) child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Ends a detached process and all that it started. */
function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
