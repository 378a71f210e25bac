import { existsSync } from "node:fs";
import { join } from "node:path";
import { generators } from "../generate.ts";
import type { Ready } from "../setup/index.ts";
import { root } from "../setup/tools.ts";
import { conformanceSuites } from "./conformance.ts";
import { fleetSuites } from "./fleet.ts";
import { infraSuites } from "./infra.ts";
import { go, py } from "./languages.ts";
import { checks, type Suite } from "./suite.ts";
import { tree } from "./tree.ts";
import { vitest } from "./vitest.ts";

const bin = (name: string): string => join(root, "node_modules/.bin", name);

/** All suites, the quick ones first. */
export function suites(ready: Ready): Suite[] {
  const typed = ["contracts", "testkit", "worker-core", "conformance"].map((name) => `packages/${name}`);
  typed.push(
    ...["control-plane", "cli", "worker-ts", "launcher"].map((name) => `apps/${name}`),
    "benchmarks",
    "infra",
  );
  const there = typed.filter((folder) => existsSync(join(root, folder, "tsconfig.json")));
  const without = Object.values(ready.missing);
  return [
    { name: "tree", run: tree },
    { name: "lint", run: checks([bin("oxlint"), "--type-aware", "--deny-warnings"]) },
    { name: "format", run: checks([bin("biome"), "format", "."]) },
    {
      name: "types",
      run: checks(...there.map((folder) => [bin("tsc"), "-p", folder] as [string, ...string[]])),
    },
    { name: "boundaries", run: checks([bin("turbo"), "boundaries"]) },
    {
      name: "drift",
      run: checks(
        ...generators.map((script) => [process.execPath, script, "--check"] as [string, ...string[]]),
      ),
    },
    {
      name: "unit",
      // The long ones first, so that none is left alone at the end.
      run: vitest([
        "apps/control-plane",
        "packages/worker-core",
        "apps/cli",
        "packages/conformance",
        "packages/contracts",
        "packages/testkit",
        "apps/worker-ts",
      ]),
    },
    { name: "go", skip: ready.missing.go, run: go },
    { name: "py", skip: ready.missing.py, run: py },
    ...conformanceSuites(ready),
    ...fleetSuites(ready),
    { name: "e2e", without, run: vitest(["apps/launcher"]) },
    ...infraSuites(ready),
  ];
}
