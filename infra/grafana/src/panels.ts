// What the dashboard shows: rows of panels, each with its queries.

/** A line, or several by the labels of the legend. */
export type Query = { expr: string; legend: string };

/** A panel of the dashboard: `stat` is one number, `lines` are series over time. */
export type Panel = {
  title: string;
  /** What to read from it. */
  description: string;
  kind: "stat" | "lines";
  /** Grafana's name of the unit. */
  unit: "short" | "s" | "ops" | "percentunit";
  queries: readonly Query[];
  /** Above this it is shown in red. */
  redFrom?: number;
};

/** A row with its title. */
export type Row = { title: string; panels: readonly Panel[] };

/** Of recorded series, which call the group `consumer`. */
const chosen = '{stream=~"$stream", consumer=~"$group"}';
/** Of the workers' own series. */
const own = 'stream=~"$stream", group=~"$group"';
const name = "{{stream}}/{{consumer}}";

function stat(title: string, expr: string, description: string, redFrom?: number): Panel {
  const queries = [{ expr, legend: title }];
  return {
    kind: "stat",
    unit: "short",
    title,
    description,
    queries,
    ...(redFrom === undefined ? {} : { redFrom }),
  };
}

function lines(title: string, unit: Panel["unit"], description: string, queries: readonly Query[]): Panel {
  return { kind: "lines", title, unit, description, queries };
}

function quantile(share: number, metric: string, by: string): string {
  return `histogram_quantile(${share}, sum by (le, ${by}) (rate(${metric}_bucket{${own}}[$__rate_interval])))`;
}

/** All rows, from top to bottom. */
export const rows: readonly Row[] = [
  {
    title: "Now",
    panels: [
      stat("Control planes", 'sum(up{job="muster-control-plane"})', "Copies that answer. Workers need none."),
      stat(
        "Members",
        `sum(stream_consumer:muster_group_members:sum${chosen})`,
        "Processes with a heartbeat.",
      ),
      stat(
        "Ready",
        `sum(stream_consumer:nats_consumer_pending_messages:max${chosen})`,
        "Messages nobody has taken yet.",
      ),
      stat("In hand", `sum(stream_consumer:muster_in_hand:max${chosen})`, "Messages that members hold."),
      stat(
        "Backing off",
        `sum(stream_consumer:muster_group_backing_off:max${chosen})`,
        "Messages that wait for a retry, in nobody's hands.",
      ),
      stat(
        "Dead letters",
        `sum(stream_consumer:muster_group_dead_letters:sum${chosen})`,
        "Neither replayed nor archived.",
        1,
      ),
      stat(
        "Alerts",
        'count(ALERTS{alertname=~"Muster.+", alertstate="firing"}) or vector(0)',
        "Firing now; each has a runbook.",
        1,
      ),
    ],
  },
  {
    title: "Lag",
    panels: [
      lines("Ready", "short", "Rises where more arrives than is completed.", [
        { expr: `stream_consumer:nats_consumer_pending_messages:max${chosen}`, legend: name },
      ]),
      lines(
        "In hand and backing off",
        "short",
        "Together they are ack pending, which is held to max_ack_pending.",
        [
          { expr: `stream_consumer:muster_in_hand:max${chosen}`, legend: `in hand ${name}` },
          { expr: `stream_consumer:muster_group_backing_off:max${chosen}`, legend: `backing off ${name}` },
        ],
      ),
      lines("Age of the oldest ready message", "s", "What a new message has to expect, at the least.", [
        { expr: `stream_consumer:muster_group_oldest_waiting_seconds:max${chosen}`, legend: name },
      ]),
    ],
  },
  {
    title: "Work",
    panels: [
      lines("Deliveries by outcome", "ops", "retry, stale and lost come again.", [
        {
          expr: `sum by (outcome) (stream_consumer_outcome:muster_deliveries:rate5m${chosen})`,
          legend: "{{outcome}}",
        },
      ]),
      lines("Completed by language", "ops", "Of the members that are scraped.", [
        {
          expr: `sum by (language) (rate(muster_deliveries_total{${own}, outcome=~"done|dead|repeat"}[$__rate_interval]))`,
          legend: "{{language}}",
        },
      ]),
      lines("Deliveries that come again", "percentunit", "Alerts above 10 %.", [
        { expr: `stream_consumer:muster_redelivered:ratio5m${chosen}`, legend: name },
      ]),
    ],
  },
  {
    title: "Time",
    panels: [
      lines("Handler", "s", "From its start to its end.", [
        { expr: quantile(0.5, "muster_handler_seconds", "language"), legend: "p50 {{language}}" },
        { expr: quantile(0.99, "muster_handler_seconds", "language"), legend: "p99 {{language}}" },
      ]),
      lines("Receipt to settled", "s", "With the wait for a slot, and the ledger.", [
        { expr: quantile(0.99, "muster_settle_seconds", "language"), legend: "p99 {{language}}" },
      ]),
      lines("Ledger", "s", "look_up before the handler, write after it.", [
        { expr: quantile(0.99, "muster_ledger_seconds", "op"), legend: "p99 {{op}}" },
      ]),
    ],
  },
  {
    title: "Members",
    panels: [
      lines("Members by language", "short", "The least is min_members of the spec.", [
        {
          expr: `sum by (language) (stream_consumer_language:muster_group_members:max${chosen})`,
          legend: "{{language}}",
        },
        { expr: `sum(stream_consumer:muster_group_min_members:max${chosen})`, legend: "at least" },
      ]),
      lines("Slots in use", "percentunit", "Handlers that run, of those that may.", [
        {
          expr: `sum by (language) (muster_in_flight{${own}}) / sum by (language) (muster_concurrency{${own}})`,
          legend: "{{language}}",
        },
      ]),
      lines("Members that take nothing", "short", "Degraded, breaker open, or not ready.", [
        { expr: `sum(muster_degraded{${own}})`, legend: "degraded" },
        { expr: `sum(muster_breaker_open{${own}})`, legend: "breaker open" },
        { expr: `count(muster_ready{${own}}) - sum(muster_ready{${own}})`, legend: "not ready" },
      ]),
      lines("Trouble with NATS", "ops", "Reconnects, heartbeats not written, stalled pulls made again.", [
        { expr: `sum(rate(muster_reconnects_total{${own}}[$__rate_interval]))`, legend: "reconnects" },
        {
          expr: `sum(rate(muster_heartbeat_failures_total{${own}}[$__rate_interval]))`,
          legend: "heartbeat failures",
        },
        {
          expr: `sum(rate(muster_pull_recreated_total{${own}}[$__rate_interval]))`,
          legend: "pulls made again",
        },
      ]),
    ],
  },
  {
    title: "Dead letters",
    panels: [
      lines("Dead letters by reason", "short", "Neither replayed nor archived.", [
        {
          expr: `sum by (reason) (stream_consumer_reason:muster_group_dead_letters:max${chosen})`,
          legend: "{{reason}}",
        },
      ]),
      lines(
        "Dead-letter stream used",
        "percentunit",
        "Of its max_bytes, where it has one. Full, it refuses.",
        [{ expr: 'stream:muster_dead_letter_stream_fill:ratio{stream=~"$stream"}', legend: "{{stream}}" }],
      ),
      lines("Replay jobs", "short", "By state, of those that are kept; of all streams.", [
        { expr: "max by (state) (muster_jobs)", legend: "{{state}}" },
      ]),
    ],
  },
];
