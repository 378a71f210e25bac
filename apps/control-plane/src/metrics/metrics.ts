// The fleet's figures for Prometheus, read from NATS at each scrape. Several control planes export the same.
import { DeadLetterReason, dlqStream } from "@muster/contracts";
import { Gauge, Registry } from "prom-client";
import { type Figures, figuresOf } from "../groups/figures.ts";
import { countByLanguage } from "../groups/list.ts";
import { type Group, readGroups } from "../groups/read-groups.ts";
import { findStream } from "../groups/streams.ts";
import type { Nats } from "../nats/connection.ts";
import { pipelined } from "../pipelined.ts";
import { jobFigures } from "./jobs.ts";
import { oldestWaitingSeconds } from "./oldest.ts";

/** Questions that a scrape has out at once, for the oldest waiting of groups and the dead letters of streams. */
const AT_ONCE = 32;

export const { PROMETHEUS_CONTENT_TYPE: contentType } = Registry;

/** All metrics as text; without NATS only that it is away. */
export async function metricsText(nats: Nats | undefined): Promise<string> {
  const registry = new Registry();
  const gauges = new Gauges(registry);
  gauges.set(
    "muster_control_plane_nats_up",
    "1 while the control plane is connected to NATS",
    {},
    Number(nats !== undefined),
  );
  if (nats !== undefined) {
    const groups = await readGroups(nats);
    for (const group of groups) consumerMetrics(gauges, group);
    for (const group of groups) groupMetrics(gauges, group);
    await pipelined(groups, AT_ONCE, (group) => waitingMetrics(gauges, nats, group));
    const streams = [...new Set(groups.map(({ spec }) => spec.stream))];
    await pipelined(streams, AT_ONCE, (stream) => deadLetterStreamMetrics(gauges, nats, stream));
    for (const figure of await jobFigures(nats))
      gauges.set(figure.name, figure.help, figure.labels, figure.value);
  }
  return registry.metrics();
}

/** Names and labels of the exporter that most have, so that their rules and autoscalers fit. */
function consumerMetrics(gauges: Gauges, { spec, consumer }: Group): void {
  if (consumer === undefined) return;
  const labels = { stream: spec.stream, consumer: spec.group };
  const set = (name: string, help: string, value: number) => gauges.set(name, help, labels, value);
  set(
    "nats_consumer_pending_messages",
    "messages of the consumer that were not delivered yet",
    consumer.num_pending,
  );
  set(
    "nats_consumer_ack_pending",
    "messages delivered and not settled, those backing off included",
    consumer.num_ack_pending,
  );
  set(
    "nats_consumer_redelivered_total",
    "messages not settled that were delivered more than once",
    consumer.num_redelivered,
  );
  set("nats_consumer_delivered_total", "deliveries, redeliveries included", consumer.delivered.consumer_seq);
}

const figureHelp: Partial<Record<keyof Figures, string>> = {
  in_flight: "handlers that run, by the heartbeats",
  held: "messages in the members' hands, by the heartbeats",
  backing_off: "messages that wait for a retry, an estimate",
  degraded: "members whose ledger, records or dead letters are out of reach, or whose breaker is open",
};

function groupMetrics(gauges: Gauges, { spec, consumer, members, deadByReason }: Group): void {
  const labels = { stream: spec.stream, group: spec.group };
  const set = (name: string, help: string, value: number, more: Record<string, string> = {}) =>
    gauges.set(`muster_group_${name}`, help, { ...labels, ...more }, value);
  const figures = figuresOf(consumer, members, deadByReason);
  for (const [name, help] of Object.entries(figureHelp))
    set(name, help, Number(figures[name as keyof Figures]));
  const languages = countByLanguage(members);
  // A group without members is one that alerts are about: it has a line, too.
  if (members.length === 0) set("members", "live members", 0, { language: "none" });
  for (const [language, count] of Object.entries(languages))
    set("members", "live members", count, { language });
  set("min_members", "members that the spec wants at least", spec.min_members);
  set("paused", "1 while the group is paused", Number(spec.paused));
  set(
    "consumer_missing",
    "1 where the group has no consumer",
    Number(spec.delivery.mode !== "queue" && consumer === undefined),
  );
  // All reasons, also at 0: a rise from nothing is one only where there was a line before.
  const none = Object.fromEntries(DeadLetterReason.options.map((reason) => [reason, 0]));
  for (const [reason, count] of Object.entries({ ...none, ...deadByReason }))
    set("dead_letters", "dead letters that were neither replayed nor archived", count, { reason });
  for (const [outcome, count] of Object.entries(figures.counts))
    set("deliveries", "deliveries by outcome, of the members that live, since each began", count, {
      outcome,
    });
}

async function waitingMetrics(gauges: Gauges, nats: Nats, group: Group): Promise<void> {
  const { stream, group: name } = group.spec;
  const help = "age of the oldest message that was not delivered yet";
  const seconds = await oldestWaitingSeconds(nats, group);
  gauges.set("muster_group_oldest_waiting_seconds", help, { stream, group: name }, seconds);
}

async function deadLetterStreamMetrics(gauges: Gauges, nats: Nats, stream: string): Promise<void> {
  const info = await findStream(nats, dlqStream(stream));
  if (info === undefined) return;
  const { state, config } = info;
  gauges.set("muster_dead_letter_stream_bytes", "size of the dead-letter stream", { stream }, state.bytes);
  if (config.max_bytes > 0)
    gauges.set(
      "muster_dead_letter_stream_max_bytes",
      "its limit; absent without one",
      { stream },
      config.max_bytes,
    );
}

/** Gauges by name, made when they are first set. */
class Gauges {
  readonly #registry: Registry;
  readonly #gauges = new Map<string, Gauge>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  set(name: string, help: string, labels: Record<string, string>, value: number): void {
    let gauge = this.#gauges.get(name);
    if (gauge === undefined) {
      gauge = new Gauge({ name, help, labelNames: Object.keys(labels), registers: [this.#registry] });
      this.#gauges.set(name, gauge);
    }
    gauge.set(labels, value);
  }
}
