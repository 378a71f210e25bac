import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type Fleet, group, stream } from "../live/fleet.ts";
import { prometheusDir, prometheusMissing, promtool } from "../live/programs.ts";
import type { Prometheus } from "../live/prometheus.ts";
import { startWatched, type Watched } from "../live/watched.ts";
import { until } from "../live/until.ts";
import { build, deploymentsOf, k8sDir, type Resource, resourcesOf } from "./manifests.ts";
import { findTools } from "./tools.ts";

const { tools, missing: noTools } = await findTools();
const missing = noTools ?? (await prometheusMissing());
const read = async (path: string) => parse(await readFile(join(k8sDir, path), "utf8"));

type External = { seriesQuery: string; metricsQuery: string; name: { as: string } };
type Asked = { name: string; selector: { matchLabels: Record<string, string> } };
type Jobs = { scrape_configs: { job_name: string; dns_sd_configs: { names: string[]; port: number }[] }[] };

describe.skipIf(missing !== undefined)(`the manifests beside a fleet ${missing ?? ""}`, () => {
  const resources = new Map<string, Resource[]>();
  let watched: Watched;
  let fleet: Fleet;
  let prometheus: Prometheus;
  beforeAll(async () => {
    for (const root of ["base", "overlays/hpa", "overlays/keda"])
      resources.set(root, resourcesOf(await build(tools?.kustomize ?? "", root)));
    watched = await startWatched();
    ({ fleet, prometheus } = watched);
  });
  afterAll(() => watched?.[Symbol.asyncDispose]());

  test("probes ask for what the processes answer", async () => {
    for (const [name, { containers }] of deploymentsOf(resources.get("base") ?? [])) {
      const [container] = containers;
      const urls = name === "control-plane" ? fleet.controlPlanes : fleet.workers;
      for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"] as const) {
        const { path, port } = container?.[probe].httpGet ?? {};
        expect(container?.ports.map((one) => one.name)).toContain(port);
        for (const url of urls)
          await until(`${url}${path} to be well`, async () => (await fetch(`${url}${path}`)).status === 200);
      }
    }
  });

  test("the adapter's rule makes the metric that the autoscalers ask for", async () => {
    const { rules } = await read("overlays/hpa/prometheus-adapter-values.yaml");
    const [rule] = rules.external as External[];
    const autoscalers = (resources.get("overlays/hpa") ?? []).filter(
      ({ kind }) => kind === "HorizontalPodAutoscaler",
    );
    expect(autoscalers).toHaveLength(3);
    for (const { spec } of autoscalers) {
      const { name, selector } = askedBy(spec);
      expect(selector.matchLabels).toEqual({ stream, consumer: group });
      expect(rule?.name.as).toBe(name);
      // As the adapter does it: it looks for the series, and puts the autoscaler's labels into the query.
      await until("the series", async () => {
        const match = encodeURIComponent(rule?.seriesQuery ?? "");
        return (await prometheus.api<unknown[]>(`/series?match[]=${match}`)).length > 0;
      });
      const matchers = Object.entries(selector.matchLabels).map(([label, value]) => `${label}="${value}"`);
      const query = (rule?.metricsQuery ?? "")
        .replaceAll("<<.Series>>", name)
        .replaceAll("<<.LabelMatchers>>", matchers.join(","));
      const found = await prometheus.query(query);
      expect(found.map(({ metric: labels }) => labels)).toEqual([{ stream, consumer: group }]);
    }
  });

  test("KEDA's query gives one figure", async () => {
    const scaled = (resources.get("overlays/keda") ?? []).filter(({ kind }) => kind === "ScaledObject");
    const triggers = scaled.flatMap(({ spec }) => spec?.["triggers"] as { metadata: { query: string } }[]);
    expect(triggers).toHaveLength(3);
    for (const { metadata } of triggers)
      await until(
        `one figure of ${metadata.query}`,
        async () => (await prometheus.query(metadata.query)).length === 1,
      );
  });

  test("what scrapes in the cluster has the rules' jobs, and names and ports that are there", async () => {
    const file = join(k8sDir, "prometheus/scrape.yml");
    expect(await promtool(["check", "config", "--syntax-only", file])).toMatchObject({ isGood: true });
    const shipped = parse(await readFile(join(prometheusDir, "prometheus.yml"), "utf8")) as Jobs;
    const { scrape_configs: jobs } = (await read("prometheus/scrape.yml")) as Jobs;
    expect(jobs.map(({ job_name }) => job_name)).toEqual(
      shipped.scrape_configs.map(({ job_name }) => job_name),
    );
    const base = resources.get("base") ?? [];
    const services = new Map(
      base.filter(({ kind }) => kind === "Service").map((one) => [one.metadata.name, one.spec]),
    );
    for (const { names, port } of jobs.flatMap(({ dns_sd_configs }) => dns_sd_configs))
      for (const name of names) {
        expect(name).toMatch(/\.muster\.svc\.cluster\.local$/);
        const service = services.get(name.split(".")[0] ?? "");
        expect(service).toMatchObject({ clusterIP: "None", ports: [{ port }] });
      }
  });
});

/** The metric that an autoscaler asks for. */
function askedBy(spec: Resource["spec"]): Asked {
  const [metric] = (spec?.["metrics"] ?? []) as { external: { metric: Asked } }[];
  if (metric === undefined) throw new Error("the autoscaler has no metric");
  return metric.external.metric;
}
