import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./setup/tools.ts";

/** Makes what is generated from the contracts, for all languages; with `--check` only tells what differs. */
export function generate(args: readonly string[]): Promise<number> {
  const script = join(root, "packages/contracts/scripts/generate.ts");
  const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: "inherit" });
  return new Promise((done) => child.once("close", (code) => done(code ?? 1)));
}
