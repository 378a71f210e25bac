import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unknownIn } from "../live/exposition.ts";
import { type Fleet, group, stream } from "../live/fleet.ts";
import { exported, labelsOf, made } from "../live/known.ts";
import { prometheusMissing } from "../live/programs.ts";
import type { Prometheus } from "../live/prometheus.ts";
import { startWatched, type Watched } from "../live/watched.ts";
import { readRules } from "../live/rules.ts";
import { until } from "../live/until.ts";

const missing = await prometheusMissing();
const rules = await readRules();

type Evaluated = { name: string; health: string; lastError?: string; lastEvaluation: string };

describe.skipIf(missing !== undefined)(`a Prometheus on a fleet ${missing ?? ""}`, () => {
  let watched: Watched;
  let fleet: Fleet;
  let prometheus: Prometheus;
  beforeAll(async () => {
    watched = await startWatched();
    ({ fleet, prometheus } = watched);
  });
  afterAll(() => watched?.[Symbol.asyncDispose]());

  test("reaches control planes with its token, and workers of every language", async () => {
    await until("every target to be up", async () => {
      const up = await prometheus.query("up");
      return (
        up.length === fleet.controlPlanes.length + fleet.workers.length &&
        up.every(({ value }) => value[1] === "1")
      );
    });
    const languages = await until("deliveries in three languages", async () => {
      const found = await prometheus.query("sum by (language) (muster_deliveries_total) > 0");
      return found.length === 3 ? found : undefined;
    });
    expect(new Set(languages.map(({ metric }) => metric["language"]))).toEqual(new Set(["go", "py", "ts"]));
  });

  test("names no series and no label that the processes do not export", async () => {
    const known = new Map([...(await exported(fleet)), ...made(rules)]);
    for (const { record, expr } of rules)
      if (record !== undefined) expect({ [record]: unknownIn(expr, known) }).toEqual({ [record]: [] });
    for (const { alert, expr } of rules)
      if (alert !== undefined) expect({ [alert]: unknownIn(expr, known) }).toEqual({ [alert]: [] });
    expect(unknownIn("sum by (stream, colour) (muster_held{hue='x'}) + muster_gone", known)).toEqual([
      "muster_held has no label colour",
      "muster_held has no label hue",
      "no series muster_gone",
    ]);
  });

  test("records every series once for the group, with the labels of its level", async () => {
    for (const { record } of rules) {
      if (record === undefined) continue;
      const found = await until(`data of ${record}`, async () => {
        const series = await prometheus.query(record);
        return series.length > 0 ? series : undefined;
      });
      const labels = new Set(found.flatMap(({ metric }) => Object.keys(metric)));
      expect({ [record]: [...labels].sort() }).toEqual({
        [record]: ["__name__", ...labelsOf(record)].sort(),
      });
      if (record.startsWith("stream_consumer:")) expect({ [record]: found.length }).toEqual({ [record]: 1 });
    }
    const query = `stream_consumer:muster_group_members:sum{stream="${stream}", consumer="${group}"}`;
    await until("three members", async () => (await prometheus.query(query))[0]?.value[1] === "3");
  });

  test("evaluates every rule without an error", async () => {
    const all = await until("every rule to be evaluated", async () => {
      const { groups } = await prometheus.api<{ groups: { rules: Evaluated[] }[] }>("/rules");
      const evaluated = groups.flatMap((one) => one.rules);
      const isWhole =
        evaluated.length === rules.length && evaluated.every(({ health }) => health !== "unknown");
      return isWhole ? evaluated : undefined;
    });
    expect(all.filter(({ health }) => health !== "ok")).toEqual([]);
  });
});
