import { globSync, renameSync } from "node:fs";
import { join } from "node:path";
import { home, once, output, root, run, say, stampOf, which } from "./tools.ts";

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

/** Builds the Go workers when a source has changed. */
export function buildGo(): void {
  const files = Object.keys(programs).map((name) => join(home, "bin", name));
  const sources = globSync(
    "{go.work,{apps/worker-go,packages/worker-core-go}/**/{*.go,*.json,*.sql,go.mod,go.sum}}",
    { cwd: root },
  );
  sources.sort();
  const stamp = stampOf(
    [output("go", "version") ?? "", ...sources],
    sources.map((file) => join(root, file)),
  );
  once("go", stamp, files, () => {
    say("building the Go workers");
    for (const [name, source] of Object.entries(programs)) {
      const file = join(home, "bin", name);
      run(`building ${name}`, ["go", "build", "-o", `${file}.new`, source], { CGO_ENABLED: "0" });
      // Put in place whole: somebody may start the old one at this moment.
      renameSync(`${file}.new`, file);
    }
  });
}
