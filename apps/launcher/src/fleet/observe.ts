import { type Language, languages } from "@muster/testkit";
import { countLogs, type LogLine, type LogQuery, logDifferences } from "./logs.ts";
import { type MetricQuery, metricDifferences, readMetrics, type Scrape, sumMetrics } from "./metrics.ts";
import type { Check } from "./report.ts";
import type { Seat } from "./seat.ts";

/** What an operator asks the logs; each is asked of all languages alike. */
const logQueries: readonly LogQuery[] = [
  { msg: "joined", level: "info" },
  { msg: "listening", level: "info" },
  { msg: "draining", level: "info" },
  { msg: "left", level: "info" },
  { msg: "dead letter", level: "warn", outcome: "dead" },
  { msg: "settled", level: "debug", outcome: "done" },
  { msg: "settled", level: "debug", outcome: "retry" },
  { msg: "settled", level: "debug", outcome: "snoozed" },
];

/** What an operator asks the metrics. */
const metricQueries: readonly MetricQuery[] = [
  { name: "muster_deliveries_total", labels: { outcome: "done" }, by: "language" },
  { name: "muster_dead_letters_total", by: "language" },
  { name: "muster_handler_seconds_count", labels: { outcome: "returned" }, by: "language" },
  { name: "muster_settle_seconds_bucket", labels: { le: "+Inf" }, by: "language" },
  { name: "muster_ledger_seconds_count", labels: { op: "write" }, by: "language" },
  { name: "muster_concurrency", by: "language" },
  { name: "muster_ready", by: "language" },
  { name: "muster_build_info", by: "language" },
];

/** Asks each process for its metrics. */
export async function scrape(seats: readonly Seat[]): Promise<Scrape[]> {
  return Promise.all(
    seats.map(async ({ httpPort, language }) => {
      const answer = await fetch(`http://127.0.0.1:${httpPort}/metrics`);
      return readMetrics(language, await answer.text());
    }),
  );
}

/** Whether logs and metrics of all languages answer the same questions. `last`: lines of the processes that were scraped. */
export function observed(
  lines: readonly LogLine[],
  scrapes: readonly Scrape[],
  last: readonly LogLine[],
): Check[] {
  const logGaps = logQueries.flatMap((query) =>
    gaps(JSON.stringify(query), countLogs(lines, query, "language")),
  );
  const metricGaps = metricQueries.flatMap((query) => gaps(textOf(query), sumMetrics(scrapes, query)));
  return [
    { name: "log lines have the same fields in all languages", problems: logDifferences(lines) },
    { name: "every log query finds all languages", problems: logGaps },
    { name: "metrics have the same names and labels in all languages", problems: metricDifferences(scrapes) },
    { name: "every metric query finds all languages", problems: metricGaps },
    { name: "logs and metrics count the same", problems: disagreements(last, scrapes) },
  ];
}

function gaps(query: string, answer: Record<string, number>): string[] {
  // A counter that is 0 is found, too: processes were started again a moment ago.
  return languages
    .filter((one) => answer[one] === undefined)
    .map((one) => `${query} finds nothing of ${one}`);
}

function disagreements(lines: readonly LogLine[], scrapes: readonly Scrape[]): string[] {
  return ["done", "retry", "dead", "snoozed", "repeat"].flatMap((outcome) => {
    const msg = outcome === "dead" ? "dead letter" : "settled";
    const logged = countLogs(lines, { msg, outcome }, "language");
    const query = { name: "muster_deliveries_total", labels: { outcome }, by: "language" };
    const counted = sumMetrics(scrapes, query);
    const both = (language: Language): [number, number] => [logged[language] ?? 0, counted[language] ?? 0];
    return languages
      .filter((language) => both(language)[0] !== both(language)[1])
      .map((language) => `${language}: ${both(language).join(" logged, ")} counted as ${outcome}`);
  });
}

function textOf({ name, labels = {}, by }: MetricQuery): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return `sum by (${by}) (${name}{${pairs.join(",")}})`;
}
