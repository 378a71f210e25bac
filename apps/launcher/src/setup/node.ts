import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { home, once, root, run, say, stampOf } from "./tools.ts";

const pnpmVersion = "12.21.0";

/** Brings pnpm from the npm registry, then the workspace's packages by its lock file. */
export function bringPackages(): void {
  const pnpm = join(home, "bin/pnpm");
  once("pnpm", pnpmVersion, [pnpm], () => {
    say(`fetching pnpm ${pnpmVersion}`);
    const folder = join(home, "lib/pnpm");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    run("fetching pnpm", [
      "npm",
      "install",
      "--no-audit",
      "--no-fund",
      "--prefix",
      folder,
      `pnpm@${pnpmVersion}`,
    ]);
    mkdirSync(join(home, "bin"), { recursive: true });
    rmSync(pnpm, { force: true });
    symlinkSync("../lib/pnpm/node_modules/.bin/pnpm", pnpm);
  });
  const files = ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json"].map((file) => join(root, file));
  once("packages", stampOf([process.version], files), [join(root, "node_modules")], () => {
    say("installing the Node packages (pnpm-lock.yaml)");
    run("pnpm install", [pnpm, "install", "--frozen-lockfile"], { CI: "true" });
  });
}
