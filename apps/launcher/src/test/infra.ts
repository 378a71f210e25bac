import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Ready } from "../setup/index.ts";
import { root } from "../setup/tools.ts";
import type { Suite } from "./suite.ts";
import { vitest } from "./vitest.ts";

/** Parts of `infra`, by the folder of their tests: `./muster test infra` runs all but `compose`, which is a suite of its own. */
const parts = ["nats", "prometheus", "grafana", "k8s", "compose"] as const;

/** What is in `infra/`, each part held against its own tool or really run. They come after the everyday tests. */
export function infraSuites({ missing }: Ready): Suite[] {
  const without = Object.values(missing);
  return parts
    .filter((part) => existsSync(join(root, "infra/test", part)))
    .map((part) => ({
      name: part === "compose" ? part : `infra ${part}`,
      isExtra: true,
      without,
      run: vitest(["infra"], {}, [`test/${part}/`]),
    }));
}
