import { spawn } from "node:child_process";
import { root } from "../setup/tools.ts";

/** What a suite came to. */
export type Count = { passed: number; failed: number; skipped: number };

/** What a program printed and how it ended. */
export type Ended = { code: number; text: string };

/** One line of the test command: a name, and how to count it. */
export type Suite = {
  name: string;
  /** The reason not to run it. */
  skip?: string | undefined;
  /** Runs only when it is named, or `all` is: it needs an engine, a cluster, or minutes. */
  isExtra?: boolean;
  /** What it runs without, a reason each. */
  without?: readonly string[];
  run: (show: Show) => Promise<Count>;
};

/** Takes the output of what failed. */
export type Show = (text: string) => void;

/** Runs a program from the checkout's root and keeps its output. */
export function start(argv: readonly string[], env: Record<string, string> = {}, cwd = root): Promise<Ended> {
  const [file = "", ...args] = argv;
  return new Promise((done) => {
    const child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.once("error", (error) => done({ code: 127, text: `${text}${error.message}\n` }));
    child.once("close", (code) => done({ code: code ?? 1, text }));
  });
}

/** A suite of programs, each of which passes (exit 0) or fails as one check. */
export function checks(...programs: ReadonlyArray<readonly [string, ...string[]]>): Suite["run"] {
  return async (show) => {
    const count: Count = { passed: 0, failed: 0, skipped: 0 };
    for (const argv of programs) {
      const { code, text } = await start(argv);
      if (code === 0) count.passed += 1;
      else {
        count.failed += 1;
        show(`$ ${argv.join(" ")}\n${text}`);
      }
    }
    return count;
  };
}

/** Adds up counts. */
export function sum(counts: readonly Count[]): Count {
  return counts.reduce(
    (all, one) => ({
      passed: all.passed + one.passed,
      failed: all.failed + one.failed,
      skipped: all.skipped + one.skipped,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  );
}
