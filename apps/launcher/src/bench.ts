import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setUp } from "./setup/index.ts";
import { root, say } from "./setup/tools.ts";

const folder = join(root, "benchmarks");

/** Runs a benchmark by name (default `core`) with the arguments that follow; `--json` gives one object on the last line. */
export async function bench(args: readonly string[]): Promise<number> {
  const named = args[0] !== undefined && !args[0].startsWith("-");
  const name = named ? (args[0] ?? "core") : "core";
  const names = readdirSync(folder).flatMap((file) =>
    file.endsWith(".bench.ts") ? [file.slice(0, -9)] : [],
  );
  if (!names.includes(name)) {
    say(`no benchmark ${JSON.stringify(name)}; there are ${names.join(", ")}`);
    return 2;
  }
  // What measures other languages needs them here.
  const all = name === "scale";
  const { missing } = setUp({ nats: true, go: all || args.includes("go"), py: all || args.includes("py") });
  if (Object.keys(missing).length > 0) return 2;
  const argv = [join(folder, `${name}.bench.ts`), ...args.slice(named ? 1 : 0)];
  const child = spawn(process.execPath, argv, { stdio: "inherit" });
  return new Promise((done) => child.once("close", (code) => done(code ?? 1)));
}
