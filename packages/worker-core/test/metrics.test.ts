import { expect, test } from "vitest";
import { Metrics, type Snapshot } from "../src/metrics.ts";

const owner = {
  stream: "ORDERS",
  group: "billing",
  member: "w-1",
  coreVersion: "0.1.0",
  appVersion: "1.2.3",
};
const idle: Snapshot = {
  inFlight: 0,
  held: 0,
  concurrency: 10,
  suspects: 0,
  isDegraded: false,
  isBreakerOpen: false,
  isPaused: false,
  isReady: true,
  specRevision: 7,
};

test("the metrics are those that every language has", async () => {
  const { types } = await read(new Metrics(owner, () => idle));
  expect(types).toEqual({
    muster_deliveries_total: "counter",
    muster_dead_letters_total: "counter",
    muster_handler_seconds: "histogram",
    muster_settle_seconds: "histogram",
    muster_ledger_seconds: "histogram",
    muster_in_flight: "gauge",
    muster_held: "gauge",
    muster_concurrency: "gauge",
    muster_suspects: "gauge",
    muster_degraded: "gauge",
    muster_breaker_open: "gauge",
    muster_paused: "gauge",
    muster_ready: "gauge",
    muster_spec_revision: "gauge",
    muster_pull_recreated_total: "counter",
    muster_reconnects_total: "counter",
    muster_heartbeat_failures_total: "counter",
    muster_queue_lost_total: "counter",
    muster_build_info: "gauge",
  });
});

test("every label value is there from the start, so that a rate sees the first one", async () => {
  const { samples } = await read(new Metrics(owner, () => idle));
  const valuesOf = (name: string, label: string) =>
    samples.filter((sample) => sample.name === name).map((sample) => [sample.labels[label], sample.value]);
  expect(Object.fromEntries(valuesOf("muster_deliveries_total", "outcome"))).toEqual({
    done: 0,
    retry: 0,
    snoozed: 0,
    returned: 0,
    dead: 0,
    repeat: 0,
    stale: 0,
    lost: 0,
  });
  expect(Object.fromEntries(valuesOf("muster_dead_letters_total", "reason"))).toEqual({
    invalid: 0,
    unknown_contract: 0,
    permanent: 0,
    exhausted: 0,
    crash_loop: 0,
    conflict: 0,
  });
  expect(Object.fromEntries(valuesOf("muster_handler_seconds_count", "outcome"))).toEqual({
    returned: 0,
    failed: 0,
    deadline: 0,
  });
  expect(Object.fromEntries(valuesOf("muster_ledger_seconds_count", "op"))).toEqual({ look_up: 0, write: 0 });
});

test("every line says whose it is", async () => {
  const { samples } = await read(new Metrics(owner, () => idle));
  for (const { labels } of samples) {
    expect(labels).toMatchObject({ stream: "ORDERS", group: "billing", member: "w-1", language: "ts" });
  }
  expect(samples.find((sample) => sample.name === "muster_build_info")).toMatchObject({
    labels: { core_version: "0.1.0", app_version: "1.2.3" },
    value: 1,
  });
});

test("what is counted is shown under its label", async () => {
  const metrics = new Metrics(owner, () => idle);
  metrics.count("done");
  metrics.count("done");
  metrics.count("lost");
  metrics.deadLetter("conflict");
  metrics.pullRecreated();
  metrics.reconnected();
  metrics.heartbeatFailed();
  metrics.queueLost(3);
  const { value } = await read(metrics);
  expect(value("muster_deliveries_total", { outcome: "done" })).toBe(2);
  expect(value("muster_deliveries_total", { outcome: "lost" })).toBe(1);
  expect(value("muster_deliveries_total", { outcome: "retry" })).toBe(0);
  expect(value("muster_dead_letters_total", { reason: "conflict" })).toBe(1);
  expect(value("muster_pull_recreated_total")).toBe(1);
  expect(value("muster_reconnects_total")).toBe(1);
  expect(value("muster_heartbeat_failures_total")).toBe(1);
  expect(value("muster_queue_lost_total")).toBe(3);
});

test("a histogram counts up to and including its bounds, and adds up", async () => {
  const metrics = new Metrics(owner, () => idle);
  for (const seconds of [0, 0.001, 0.0011, 0.25, 60, 61]) {
    metrics.handled("failed", seconds);
  }
  metrics.settled(0.02);
  metrics.ledger("write", 0.002);
  const { samples, value } = await read(metrics);
  const failed = samples.filter(
    ({ name, labels }) => name === "muster_handler_seconds_bucket" && labels["outcome"] === "failed",
  );
  expect(failed.map(({ labels, value: count }) => [labels["le"], count])).toEqual([
    ["0.001", 2],
    ["0.005", 3],
    ["0.01", 3],
    ["0.05", 3],
    ["0.1", 3],
    ["0.5", 4],
    ["1", 4],
    ["5", 4],
    ["10", 4],
    ["30", 4],
    ["60", 5],
    ["+Inf", 6],
  ]);
  expect(value("muster_handler_seconds_count", { outcome: "failed" })).toBe(6);
  expect(value("muster_handler_seconds_sum", { outcome: "failed" })).toBeCloseTo(121.2521, 9);
  expect(value("muster_handler_seconds_count", { outcome: "returned" })).toBe(0);
  expect(value("muster_settle_seconds_bucket", { le: "0.01" })).toBe(0);
  expect(value("muster_settle_seconds_bucket", { le: "0.05" })).toBe(1);
  expect(value("muster_ledger_seconds_count", { op: "write" })).toBe(1);
});

test("a time that is none leaves the sums alone", async () => {
  const metrics = new Metrics(owner, () => idle);
  metrics.handled("returned", -1);
  metrics.handled("returned", Number.NaN);
  metrics.handled("returned", 2);
  const { value } = await read(metrics);
  expect(value("muster_handler_seconds_sum", { outcome: "returned" })).toBe(2);
  expect(value("muster_handler_seconds_count", { outcome: "returned" })).toBe(1);
});

test("gauges show the state at the time of the scrape", async () => {
  let now = idle;
  const metrics = new Metrics(owner, () => now);
  expect((await read(metrics)).value("muster_ready")).toBe(1);
  now = {
    inFlight: 3,
    held: 12,
    concurrency: 6,
    suspects: 2,
    isDegraded: true,
    isBreakerOpen: true,
    isPaused: true,
    isReady: false,
    specRevision: 8,
  };
  const { value } = await read(metrics);
  const names = [
    "in_flight",
    "held",
    "concurrency",
    "suspects",
    "degraded",
    "breaker_open",
    "paused",
    "ready",
  ];
  expect(names.map((name) => value(`muster_${name}`))).toEqual([3, 12, 6, 2, 1, 1, 1, 0]);
  expect(value("muster_spec_revision")).toBe(8);
});

test("a version that is no plain text cannot forge a line", async () => {
  const metrics = new Metrics({ ...owner, appVersion: '1"\n\\muster_ready 0' }, () => idle);
  const text = await metrics.text();
  expect(text).toContain('app_version="1\\"\\n\\\\muster_ready 0"');
  expect(text.split("\n").filter((line) => line.startsWith("muster_ready"))).toHaveLength(1);
});

test("workers in one process do not share metrics", async () => {
  const [a, b] = [new Metrics(owner, () => idle), new Metrics(owner, () => idle)];
  a.count("done");
  expect((await read(b)).value("muster_deliveries_total", { outcome: "done" })).toBe(0);
});

test("the application's own metrics stand beside them", async () => {
  const { Counter } = await import("prom-client");
  const metrics = new Metrics(owner, () => idle);
  const mails = new Counter({ name: "mails_total", help: "Mails", registers: [await metrics.registry()] });
  mails.inc(2);
  const { samples } = await read(metrics);
  expect(samples.find((sample) => sample.name === "mails_total")).toMatchObject({
    value: 2,
    labels: { group: "billing" },
  });
});

interface Line {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** Reads the text as Prometheus does. */
async function read(metrics: Metrics): Promise<{
  types: Record<string, string>;
  samples: Line[];
  value: (name: string, labels?: Record<string, string>) => number | undefined;
}> {
  const types: Record<string, string> = {};
  const samples: Line[] = [];
  for (const line of (await metrics.text()).split("\n")) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type?.[1] && type[2]) {
      types[type[1]] = type[2];
    }
    const sample = /^([a-z_]+)\{(.*)\} (\S+)$/.exec(line);
    if (sample?.[1]) {
      const labels = [...(sample[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      samples.push({
        name: sample[1],
        labels: Object.fromEntries(labels.map(([, key, value]) => [key, value])),
        value: Number(sample[3]),
      });
    }
  }
  const value = (name: string, labels: Record<string, string> = {}) =>
    samples.find(
      (line) =>
        line.name === name && Object.entries(labels).every(([key, wanted]) => line.labels[key] === wanted),
    )?.value;
  return { types, samples, value };
}
