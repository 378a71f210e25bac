import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkoutRoot } from "@muster/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { fleetDashboard } from "../../grafana/src/dashboard.ts";
import { unknownIn } from "../live/exposition.ts";
import type { Fleet } from "../live/fleet.ts";
import { exported, made } from "../live/known.ts";
import { filledIn, linesOf, panels } from "../live/panels.ts";
import { prometheusMissing } from "../live/programs.ts";
import type { Prometheus } from "../live/prometheus.ts";
import { startWatched, type Watched } from "../live/watched.ts";
import { readRules } from "../live/rules.ts";
import { until } from "../live/until.ts";

const missing = await prometheusMissing();
const grafanaDir = join(checkoutRoot, "infra/grafana");
const read = (path: string) => readFile(join(grafanaDir, path), "utf8");

type Shown = { type: string; id: number; targets?: { expr: string }[] };

test("the dashboard is what the code makes", async () => {
  const text = await read("dashboards/fleet.json");
  expect(text, "run node infra/grafana/src/generate.ts").toBe(
    `${JSON.stringify(fleetDashboard(), undefined, 2)}\n`,
  );
  const shown = (JSON.parse(text) as { panels: Shown[] }).panels;
  expect(new Set(shown.map(({ id }) => id)).size).toBe(shown.length);
  const exprs = shown.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  expect(exprs).toEqual(panels.flatMap(({ queries }) => queries.map(({ expr }) => expr)));
});

test("Grafana is given the dashboard's folder, and a Prometheus as it scrapes", async () => {
  const { datasources } = parse(await read("provisioning/datasources/prometheus.yml"));
  const { global } = parse(await readFile(join(grafanaDir, "../prometheus/prometheus.yml"), "utf8"));
  expect(datasources).toMatchObject([
    { type: "prometheus", jsonData: { timeInterval: global.scrape_interval } },
  ]);
  const { providers } = parse(await read("provisioning/dashboards/muster.yml"));
  expect(providers).toMatchObject([{ type: "file", options: { path: "/etc/grafana/dashboards" } }]);
});

describe.skipIf(missing !== undefined)(`the dashboard on a fleet ${missing ?? ""}`, () => {
  let watched: Watched;
  let fleet: Fleet;
  let prometheus: Prometheus;
  beforeAll(async () => {
    watched = await startWatched();
    ({ fleet, prometheus } = watched);
  });
  afterAll(() => watched?.[Symbol.asyncDispose]());

  test("names no series and no label that is not there", async () => {
    const known = new Map([...(await exported(fleet)), ...made(await readRules())]);
    for (const { title, queries } of panels)
      for (const { expr, legend } of queries) {
        const told = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
        // A legend may name what the query groups by, or what its series has.
        const named = told.length === 0 ? filledIn(expr) : `sum by (${told.join(", ")}) (${filledIn(expr)})`;
        expect({ [title]: unknownIn(named, known) }).toEqual({ [title]: [] });
      }
    const variables = JSON.stringify(fleetDashboard().templating).matchAll(
      /label_values\(([\w:]+)[^,]*, (\w+)\)/g,
    );
    const asked = [...variables].map(([, series = "", label = ""]) => known.get(series)?.has(label));
    expect(asked).toEqual([true, true]);
  });

  test.for(panels)("$title has data by every query", async (panel) => {
    for (const query of panel.queries)
      await until(`data of ${query.expr}`, async () => {
        const lines = await linesOf(prometheus, { ...panel, queries: [query] }, 60);
        const numbers = lines.flatMap(({ values }) => values).filter(([, value]) => Number.isFinite(value));
        return numbers.length > 0 && lines.every(({ name }) => !/^[/ ]|[/ ]$|^$/.test(name));
      });
  });
});
