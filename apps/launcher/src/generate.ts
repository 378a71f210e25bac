import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./setup/tools.ts";

/** What makes generated files: the contracts' for all languages, the control plane's, and the CLI's of those. */
export const generators = ["packages/contracts", "apps/control-plane", "apps/cli"].map((folder) =>
  join(root, folder, "scripts/generate.ts"),
);

/** Makes all that is generated; with `--check` only tells what differs. Gives the worst exit code. */
export async function generate(args: readonly string[]): Promise<number> {
  let worst = 0;
  for (const script of generators) {
    const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: "inherit" });
    worst = Math.max(
      worst,
      await new Promise<number>((done) => child.once("close", (code) => done(code ?? 1))),
    );
  }
  return worst;
}
