import { existsSync } from "node:fs";
import { join } from "node:path";
import { goMissing } from "./setup/go.ts";
import { isNatsUsable } from "./setup/nats.ts";
import { pythonMissing } from "./setup/python.ts";
import { home, output, which } from "./setup/tools.ts";

type Row = { tool: string; found: string; mend?: string | undefined };

/** Prints the tools found, their versions, and how to mend what is missing. Exit 1 when something is. */
export function doctorTools(): number {
  const nats = [which("nats-server"), join(home, "bin/nats-server")].find(
    (file) => file !== undefined && existsSync(file) && isNatsUsable(output(file, "--version")),
  );
  const pnpm = join(home, "bin/pnpm");
  const rows: Row[] = [
    { tool: "node", found: process.version },
    found("pnpm", existsSync(pnpm) ? output(pnpm, "--version") : undefined, "./muster setup fetches it"),
    process.env["NATS_URL"]
      ? { tool: "nats-server", found: "NATS_URL names an outside one" }
      : found(
          "nats-server",
          nats && output(nats, "--version"),
          "./muster setup builds it with Go; or put 2.14.5 or later on the PATH, or set NATS_URL",
        ),
    { tool: "go", found: output("go", "version") ?? "missing", mend: goMissing() },
    { tool: "python", found: output("python3", "--version") ?? "missing", mend: pythonMissing() },
    found(
      "python packages",
      existsSync(join(home, "venv/bin/python")) ? "installed" : undefined,
      "./muster setup installs them",
    ),
    found("git", output("git", "--version"), "install git"),
  ];
  for (const { tool, found: version, mend } of rows) {
    process.stdout.write(`${mend === undefined ? "ok  " : "MEND"} ${tool.padEnd(16)} ${version}\n`);
    if (mend !== undefined) process.stdout.write(`     ${" ".repeat(16)} ${mend}\n`);
  }
  return rows.some((row) => row.mend !== undefined) ? 1 : 0;
}

function found(tool: string, version: string | undefined, mend: string): Row {
  return version === undefined ? { tool, found: "missing", mend } : { tool, found: version };
}
