import { join } from "node:path";
import { withLock } from "./lock.ts";
import { home, once, output, run, say } from "./tools.ts";

const lintVersion = "v2.15.0";

/** Builds golangci-lint when it is not there, or was built by another Go, and gives its path. The tests alone need it. */
export function bringGolangciLint(): string {
  const file = join(home, "bin/golangci-lint");
  withLock(() =>
    // Built by an older Go it refuses the sources of a newer one.
    once("golangci-lint", `${lintVersion} ${output("go", "version") ?? ""}`, [file], () => {
      say(`building golangci-lint ${lintVersion} (go install, two or three minutes)`);
      const module = `github.com/golangci/golangci-lint/v2/cmd/golangci-lint@${lintVersion}`;
      run("building golangci-lint", ["go", "install", module], {
        GOBIN: join(home, "bin"),
        CGO_ENABLED: "0",
        GOWORK: "off",
      });
    }),
  );
  return file;
}
