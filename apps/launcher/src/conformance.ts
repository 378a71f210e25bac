import { spawn } from "node:child_process";
import { join } from "node:path";
import { setUp } from "./setup/index.ts";
import { root, say } from "./setup/tools.ts";

/** The suite's own program: it takes what follows `./muster conformance`. */
export const conformanceMain: string = join(root, "packages/conformance/src/main.ts");

/** Plays the scenarios of the worker protocol against a worker; brings only what that worker needs. */
export async function conformance(args: readonly string[]): Promise<number> {
  const dashes = args.indexOf("--");
  const own = dashes === -1 ? args : args.slice(0, dashes);
  const isExplained = own.includes("--help") || own.includes("-h");
  const needs = { nats: true, go: own.includes("go"), py: own.includes("py") };
  const { missing } = setUp(isExplained ? {} : needs);
  if (Object.keys(missing).length > 0) return 1;
  const child = spawn(process.execPath, [conformanceMain, ...args], { stdio: "inherit" });
  // Ctrl-C reaches the child by itself; it cleans up, and we wait for it.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((done) => {
    child.once("error", (error) => {
      say(error.message);
      done(1);
    });
    child.once("close", (code) => done(code ?? 1));
  });
}
