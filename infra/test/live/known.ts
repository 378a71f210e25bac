// All series that rules and dashboards may name: what the processes export, and what the rules make of it.
import { readExposition } from "./exposition.ts";
import type { Fleet } from "./fleet.ts";
import type { Rule } from "./rules.ts";
import { until } from "./until.ts";

/** What the fleet's processes export, once there is a dead letter. `up` is Prometheus's own. */
export async function exported(fleet: Fleet): Promise<Map<string, Set<string>>> {
  const texts = await until("a dead letter", async () => {
    const all = await fleet.scrape();
    const isThere = (text: string) => /muster_group_dead_letters\{.*reason="permanent".*\} [1-9]/.test(text);
    return all.some(isThere) ? all : undefined;
  });
  return readExposition(texts).set("up", new Set(["job", "instance"]));
}

/** Labels of a recorded series: its level names them. */
export function labelsOf(record: string): string[] {
  return (record.split(":")[0] ?? "").split("_");
}

/** The recorded series, and the one that Prometheus makes of alerts. */
export function made(rules: readonly Rule[]): Map<string, Set<string>> {
  const records = rules.flatMap(({ record }) => record ?? []);
  const series = new Map(records.map((record) => [record, new Set(labelsOf(record))]));
  return series.set("ALERTS", new Set(["alertname", "alertstate", "severity"]));
}
