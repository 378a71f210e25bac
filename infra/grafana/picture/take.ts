// Takes docs/images/fleet-panels.png: a fleet of real processes, a real Prometheus, the panels' queries, and Chromium.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { checkoutRoot, startProcess } from "@muster/testkit";
import { startFleet } from "../../test/live/fleet.ts";
import { linesOf } from "../../test/live/panels.ts";
import { startPrometheus } from "../../test/live/prometheus.ts";
import { rows } from "../src/panels.ts";
import { pageOf } from "./page.ts";

const seconds = Number(process.argv[2] ?? 180);
const picture = join(checkoutRoot, "docs/images/fleet-panels.png");

await using fleet = await startFleet();
const targets = { "muster-control-plane": fleet.controlPlanes, "muster-workers": fleet.workers };
await using prometheus = await startPrometheus(targets, fleet.token);
// What is shown needs time to happen.
await sleep(seconds * 1000);
const shown = await Promise.all(
  rows.map(async (row) => ({
    row,
    drawn: await Promise.all(
      row.panels.map(async (panel) => ({ panel, lines: await linesOf(prometheus, panel, seconds) })),
    ),
  })),
);
const scratch = await mkdtemp(join(tmpdir(), "muster-picture-"));
const page = join(scratch, "page.html");
const caption = `The queries of infra/grafana/dashboards/fleet.json, answered by Prometheus's API: the last ${seconds} s of three workers and two control planes. Drawn by infra/grafana/picture, not by Grafana.`;
await writeFile(page, pageOf(shown, caption));
const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,1100"];
const browser = startProcess("chromium", ["chromium", ...flags, `--screenshot=${picture}`, `file://${page}`]);
const { code } = await browser.exited;
await rm(scratch, { recursive: true, force: true });
if (code !== 0) throw new Error(`chromium failed: ${browser.lines.join("\n")}`);
process.stdout.write(`${picture}\n`);
