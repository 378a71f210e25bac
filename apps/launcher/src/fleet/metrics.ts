/** A sample of /metrics. */
export type Sample = { name: string; labels: Readonly<Record<string, string>>; value: number };

/** An expression over samples, as Prometheus takes it: `sum by (<by>) (<name>{<labels>})`. */
export type MetricQuery = { name: string; labels?: Readonly<Record<string, string>>; by: string };

/** What a process said of itself, and its types. */
export type Scrape = { language: string; samples: Sample[]; types: Record<string, string> };

/** Reads the Prometheus text format. */
export function readMetrics(language: string, text: string): Scrape {
  const scrape: Scrape = { language, samples: [], types: {} };
  for (const line of text.split("\n")) {
    const [, typed, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (typed !== undefined && type !== undefined) scrape.types[typed] = type;
    const [, name, labels = "", value] = /^([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = "", is = ""]) => [
      label,
      is,
    ]);
    scrape.samples.push({ name, labels: Object.fromEntries(pairs), value: Number(value) });
  }
  return scrape;
}

/** The sums that the expression gives over all scrapes: the same expression for every language. */
export function sumMetrics(
  scrapes: readonly Scrape[],
  { name, labels = {}, by }: MetricQuery,
): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const sample of scrapes.flatMap(({ samples }) => samples)) {
    if (sample.name !== name) continue;
    if (!Object.entries(labels).every(([label, value]) => sample.labels[label] === value)) continue;
    const key = sample.labels[by] ?? "";
    sums[key] = (sums[key] ?? 0) + sample.value;
  }
  return sums;
}

/** Labels whose values are the process's own. */
const ownLabels = ["member", "language", "core_version", "app_version"];

/** Where the scrapes of different languages differ in names, types, labels or the values of labels. */
export function metricDifferences(scrapes: readonly Scrape[]): string[] {
  const shapes = new Map<string, Set<string>>();
  for (const { language, samples, types } of scrapes) {
    const shape = shapes.get(language) ?? new Set<string>();
    shapes.set(language, shape);
    for (const [name, type] of Object.entries(types)) if (isOurs(name)) shape.add(`${type} ${name}`);
    for (const { name, labels } of samples.filter((one) => isOurs(one.name))) shape.add(textOf(name, labels));
  }
  const all = new Set([...shapes.values()].flatMap((shape) => [...shape]));
  return [...shapes].flatMap(([language, shape]) =>
    [...all].filter((one) => !shape.has(one)).map((one) => `${language} has no ${one}`),
  );
}

// What a client library tells of its process beside is not Muster's.
function isOurs(name: string): boolean {
  return name.startsWith("muster_");
}

function textOf(name: string, labels: Sample["labels"]): string {
  const pairs = Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([label, value]) => `${label}="${ownLabels.includes(label) ? "…" : value}"`);
  return `${name}{${pairs.join(",")}}`;
}
