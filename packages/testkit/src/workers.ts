import { existsSync } from "node:fs";
import { join } from "node:path";
import { checkoutRoot } from "./find.ts";

/** The languages that have a worker core. */
export const languages = ["ts", "go", "py"] as const;
export type Language = (typeof languages)[number];

/** How to start a worker, and what to lay over the environment. */
export type WorkerCommand = { argv: string[]; env: Record<string, string> };

/**
 * The one place that knows how each language's worker is started from this checkout.
 * With `conformance` it is the worker that obeys the message's directive.
 * Fails when the language was not set up.
 */
export function workerCommand(language: Language, options: { conformance?: boolean } = {}): WorkerCommand {
  const at = (path: string): string => join(checkoutRoot, path);
  const conformance = options.conformance === true;
  switch (language) {
    case "ts": {
      const main = conformance
        ? "packages/worker-core/src/conformance/main.ts"
        : "apps/worker-ts/src/main.ts";
      return { argv: [process.execPath, at(main)], env: {} };
    }
    case "go": {
      const file = at(conformance ? ".muster/bin/conformance-go" : ".muster/bin/worker-go");
      return { argv: [existing(file, language)], env: {} };
    }
    case "py": {
      const python = existing(at(".muster/venv/bin/python"), language);
      const path = `${at("packages/worker-core-py/src")}:${at("apps/worker-py/src")}`;
      const module = conformance ? "muster_worker.conformance" : "worker_py";
      return { argv: [python, "-m", module], env: { PYTHONPATH: path, PYTHONUNBUFFERED: "1" } };
    }
  }
}

/** How the control plane is started from this checkout. */
export function controlPlaneCommand(): string[] {
  return ["env", `NODE=${process.execPath}`, join(checkoutRoot, "apps/control-plane/start")];
}

function existing(file: string, language: Language): string {
  if (existsSync(file)) return file;
  throw new Error(`the ${language} worker is not set up: run ./muster doctor tools`);
}
