import { join } from "node:path";
import { setUp } from "./setup/index.ts";
import { root, say } from "./setup/tools.ts";

/**
 * Prints the program that the shell is to become, its words ended by NUL: a worker
 * (`worker ts|go|py [--conformance]`), else the CLI with all arguments. Prints nothing when there is none.
 */
export async function resolveProgram(args: readonly string[]): Promise<number> {
  if (args[0] !== "worker") {
    setUp({});
    print([process.execPath, join(root, "apps/cli/src/main.ts"), ...args]);
    return 0;
  }
  const [, language, ...rest] = args;
  const unknown = rest.filter((word) => word !== "--conformance");
  if ((language !== "ts" && language !== "go" && language !== "py") || unknown.length > 0) {
    say("usage: ./muster worker ts|go|py [--conformance], with NATS_URL, MUSTER_STREAM and MUSTER_GROUP set");
    return 2;
  }
  const { missing } = setUp({ go: language === "go", py: language === "py" });
  if (Object.keys(missing).length > 0) return 2;
  const { workerCommand } = await import("@muster/testkit");
  const { argv, env } = workerCommand(language, { conformance: rest.length > 0 });
  print(["env", ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...argv]);
  return 0;
}

function print(words: readonly string[]): void {
  process.stdout.write(words.map((word) => `${word}\0`).join(""));
}
