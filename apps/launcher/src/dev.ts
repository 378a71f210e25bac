import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./setup/tools.ts";

/** Runs `turbo dev`: the fleet of the packages' `dev` scripts, reloading on change, until Ctrl-C. */
export async function dev(): Promise<number> {
  const child = spawn(join(root, "node_modules/.bin/turbo"), ["dev"], { cwd: root, stdio: "inherit" });
  // The terminal's Ctrl-C reaches turbo by itself; a signal sent to this process alone is passed on.
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGTERM", forward);
  process.on("SIGINT", () => undefined);
  const code = await new Promise<number>((done) => child.once("close", (status) => done(status ?? 0)));
  process.off("SIGTERM", forward);
  return code;
}
