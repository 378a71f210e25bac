import type { Metric, Registry } from "prom-client";

/** Upper bounds of the histograms' buckets in seconds. */
export const bucketBounds: readonly number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60];

/** A metric as it is written out; `values` is asked at each scrape. */
export interface ExportedMetric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly values: () => Sample[];
}

/** One line of a metric. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Where it differs from the metric's. */
  readonly metricName?: string;
}

/** Has the registry write the metric out. */
export function register(registry: Registry, { values, ...metric }: ExportedMetric): void {
  const get = async () => ({ ...metric, values: values(), aggregator: "sum" });
  // The registry wants no more of a metric than its name and get; its type names prom-client's own classes.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  registry.registerMetric({ ...metric, get } as unknown as Metric);
}

/** Observations by bucket, {@link bucketBounds}. */
export class Histogram {
  readonly counts = new Float64Array(bucketBounds.length + 1);
  sum = 0;

  observe(seconds: number): void {
    // A clock that was set back must not spoil the sum for ever.
    if (!(seconds >= 0)) {
      return;
    }
    let bucket = 0;
    while (bucket < bucketBounds.length && seconds > (bucketBounds[bucket] ?? 0)) {
      bucket += 1;
    }
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += seconds;
  }
}

/** A value that goes up and down; a boolean is 1 or 0. */
export function gauge(
  name: string,
  help: string,
  value: () => number | boolean,
  labels: Record<string, string> = {},
): ExportedMetric {
  return { name, help, type: "gauge", values: () => [{ labels, value: Number(value()) }] };
}

/** A count without labels. */
export function counter(name: string, help: string, value: () => number): ExportedMetric {
  return { name, help, type: "counter", values: () => [{ labels: {}, value: value() }] };
}

/** Counts by the values of one label, all of them, also at 0. */
export function counters(
  name: string,
  help: string,
  label: string,
  counts: Record<string, number>,
): ExportedMetric {
  const values = () => Object.entries(counts).map(([key, value]) => ({ labels: { [label]: key }, value }));
  return { name, help, type: "counter", values };
}

/** Histograms by the values of one label; without a label there is one. */
export function histogram(
  name: string,
  help: string,
  label: string | undefined,
  byLabel: Record<string, Histogram>,
): ExportedMetric {
  const values = () =>
    Object.entries(byLabel).flatMap(([key, one]) =>
      histogramSamples(name, label === undefined ? {} : { [label]: key }, one),
    );
  return { name, help, type: "histogram", values };
}

function histogramSamples(
  name: string,
  labels: Record<string, string>,
  { counts, sum }: Histogram,
): Sample[] {
  let total = 0;
  const samples: Sample[] = [...counts].map((count, bucket) => {
    total += count;
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: bucketBounds[bucket] ?? "+Inf" },
      value: total,
    };
  });
  samples.push({ metricName: `${name}_sum`, labels, value: sum });
  samples.push({ metricName: `${name}_count`, labels, value: total });
  return samples;
}
