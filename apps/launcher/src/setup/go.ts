import { existsSync } from "node:fs";
import { join } from "node:path";
import { home, output, root, run, say, which } from "./tools.ts";

/** Why Go workers cannot be built here, with the way out; undefined when they can. */
export function goMissing(): string | undefined {
  if (which("go") === undefined) return "Go is left out: install Go 1.26 or later and run this again";
  const version = output("go", "version") ?? "";
  const [, major = 0, minor = 0] = (/go(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  if (major > 1 || (major === 1 && minor >= 26)) return undefined;
  return `Go is left out: 1.26 or later is needed, this is "${version}"`;
}

const programs = {
  "worker-go": "./apps/worker-go/cmd/worker-go",
  "conformance-go": "./packages/worker-core-go/cmd/conformance-worker",
};

/** Builds the Go workers. Go's own build cache makes the second time quick. */
export function buildGo(): void {
  for (const [name, source] of Object.entries(programs)) {
    const file = join(home, "bin", name);
    if (!existsSync(file)) say(`building ${name}`);
    run(`building ${name}`, ["go", "build", "-o", file, source], { CGO_ENABLED: "0" }, root);
  }
}
