// Writes dashboards/fleet.json: node infra/grafana/src/generate.ts
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fleetDashboard } from "./dashboard.ts";

const file = join(import.meta.dirname, "../dashboards/fleet.json");
await writeFile(file, `${JSON.stringify(fleetDashboard(), undefined, 2)}\n`);
