// Programs that run to their end.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** What a program is started with. */
export type RunOptions = {
  /** Laid over this process's environment. */
  env?: Record<string, string>;
  cwd?: string;
  /** Given on standard input; none by default. */
  input?: string;
};

/** Runs a program and gives its standard output; fails with all that it said when it does not end with 0. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, out, all } = await attempt(argv, options);
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}:\n${all.slice(-8000)}`);
  return out;
}

/** The same for a program that may fail: its exit code, null where it could not be started. */
export async function attempt(
  [file = "", ...args]: readonly string[],
  { env = {}, cwd, input }: RunOptions = {},
): Promise<{ code: number | null; out: string; all: string }> {
  const child = spawn(file, args, {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
    ...(cwd === undefined ? {} : { cwd }),
  });
  let out = "";
  let all = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    all += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    all += text;
  });
  // A program that does not read what it is given is told so by its exit code.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input ?? "");
  const code = await new Promise<number | null>((done) => {
    child.on("error", (error) => {
      all += String(error);
      done(null);
    });
    child.on("close", done);
  });
  return { code, out, all };
}

/** Where a program is on the PATH. */
export function which(name: string): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file));
}
