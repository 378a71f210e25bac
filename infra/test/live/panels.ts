// The dashboard's queries as Grafana would ask them, with all streams and groups chosen.
import type { Panel } from "../../grafana/src/panels.ts";
import { rows } from "../../grafana/src/panels.ts";
import type { Prometheus } from "./prometheus.ts";

/** All panels of the dashboard, in order. */
export const panels: readonly Panel[] = rows.flatMap((row) => row.panels);

/** Values over time of one series; `name` is its legend. */
export type Line = { name: string; values: [number, number][] };

/** An expression with its variables filled in. */
export function filledIn(expr: string): string {
  return expr.replaceAll("$__rate_interval", "30s").replaceAll(/\$(?:stream|group)\b/g, ".+");
}

/** The lines that a panel shows of the last `seconds`. */
export async function linesOf(prometheus: Prometheus, panel: Panel, seconds: number): Promise<Line[]> {
  const end = Date.now() / 1000;
  const answers = panel.queries.map(async ({ expr, legend }) => {
    const query = encodeURIComponent(filledIn(expr));
    const range = `start=${end - seconds}&end=${end}&step=1`;
    const { result } = await prometheus.api<{
      result: { metric: Record<string, string>; values: [number, string][] }[];
    }>(`/query_range?query=${query}&${range}`);
    return result.map(({ metric, values }) => ({
      name: legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? ""),
      values: values.map(([at, value]): [number, number] => [at, Number(value)]),
    }));
  });
  return (await Promise.all(answers)).flat();
}
