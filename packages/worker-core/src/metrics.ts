import type { Registry } from "prom-client";
import { DeadLetterReason } from "@muster/contracts";
import {
  counter,
  counters,
  type ExportedMetric,
  gauge,
  Histogram,
  histogram,
  register,
} from "./exposition.ts";

const outcomes = ["done", "retry", "snoozed", "returned", "dead", "repeat", "stale", "lost"] as const;
const handlerOutcomes = ["returned", "failed", "deadline"] as const;
const ledgerOps = ["look_up", "write"] as const;

/** How a delivery ended. */
export type DeliveryOutcome = (typeof outcomes)[number];

/** How a handler ended: `deadline` when its time was over before it was done. */
export type HandlerOutcome = (typeof handlerOutcomes)[number];

/** What the ledger was asked for. */
export type LedgerOp = (typeof ledgerOps)[number];

/** What the gauges show; read when they are asked for, at no cost before. */
export interface Snapshot {
  /** Handlers that run. */
  readonly inFlight: number;
  /** Messages in hand, started or not. */
  readonly held: number;
  readonly concurrency: number;
  /** Suspects that wait for their turn. */
  readonly suspects: number;
  readonly isDegraded: boolean;
  readonly isBreakerOpen: boolean;
  readonly isPaused: boolean;
  readonly isReady: boolean;
  /** 0 before the first spec. */
  readonly specRevision: number;
}

/** What every line of a worker's metrics carries. */
export interface MetricsOwner {
  readonly stream: string;
  readonly group: string;
  readonly member: string;
  readonly coreVersion: string;
  readonly appVersion: string;
}

/** Media type of {@link Metrics.text}. */
export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/**
 * The metrics of one worker, under names that are the same in every language.
 *
 * A message costs a few additions to plain numbers: an observation of prom-client's own histogram costs
 * more than parsing the message does. prom-client writes the numbers out, and is loaded at the first scrape.
 */
export class Metrics {
  readonly #owner: MetricsOwner;
  readonly #read: () => Snapshot;
  readonly #deliveries = tally(outcomes);
  readonly #deadLetters = tally(DeadLetterReason.options);
  readonly #handler = histograms(handlerOutcomes);
  readonly #settle = new Histogram();
  readonly #ledger = histograms(ledgerOps);
  readonly #events = { pullRecreated: 0, reconnects: 0, heartbeatFailures: 0, queueLost: 0 };
  #registry: Promise<Registry> | undefined;

  /** `read` is called at each scrape. */
  constructor(owner: MetricsOwner, read: () => Snapshot) {
    this.#owner = owner;
    this.#read = read;
  }

  /** A delivery has ended. */
  count(outcome: DeliveryOutcome): void {
    this.#deliveries[outcome] += 1;
  }

  /** A dead letter has been published. */
  deadLetter(reason: DeadLetterReason): void {
    this.#deadLetters[reason] += 1;
  }

  /** A handler has ended, or missed its deadline, after so many seconds. */
  handled(outcome: HandlerOutcome, seconds: number): void {
    this.#handler[outcome].observe(seconds);
  }

  /** A message was settled so many seconds after it was received. */
  settled(seconds: number): void {
    this.#settle.observe(seconds);
  }

  /** The ledger has answered after so many seconds. */
  ledger(op: LedgerOp, seconds: number): void {
    this.#ledger[op].observe(seconds);
  }

  /** The watchdog has made the pull again. */
  pullRecreated(): void {
    this.#events.pullRecreated += 1;
  }

  /** The connection is back. */
  reconnected(): void {
    this.#events.reconnects += 1;
  }

  /** A heartbeat could not be written. */
  heartbeatFailed(): void {
    this.#events.heartbeatFailures += 1;
  }

  /** Messages of a core queue group were dropped. */
  queueLost(messages = 1): void {
    this.#events.queueLost += messages;
  }

  /** All of it in Prometheus' text format, see {@link metricsContentType}. */
  async text(): Promise<string> {
    return (await this.registry()).metrics();
  }

  /** prom-client's registry, for metrics of the application's own; each worker has one, none is global. */
  registry(): Promise<Registry> {
    this.#registry ??= this.#createRegistry();
    return this.#registry;
  }

  async #createRegistry(): Promise<Registry> {
    const { Registry: PromRegistry } = await import("prom-client");
    const registry = new PromRegistry();
    const { stream, group, member } = this.#owner;
    registry.setDefaultLabels({ stream, group, member, language: "ts" });
    for (const metric of this.#table()) {
      register(registry, metric);
    }
    return registry;
  }

  #table(): ExportedMetric[] {
    const events = this.#events;
    const { coreVersion: core_version, appVersion: app_version } = this.#owner;
    const now = this.#read;
    return [
      counters("muster_deliveries_total", "Deliveries by what they ended in", "outcome", this.#deliveries),
      counters("muster_dead_letters_total", "Dead letters published", "reason", this.#deadLetters),
      histogram("muster_handler_seconds", "Time in the handler", "outcome", this.#handler),
      histogram("muster_settle_seconds", "Time from receipt to settled", undefined, { all: this.#settle }),
      histogram("muster_ledger_seconds", "Time of a request to the ledger", "op", this.#ledger),
      gauge("muster_in_flight", "Handlers that run", () => now().inFlight),
      gauge("muster_held", "Messages in hand, started or not", () => now().held),
      gauge("muster_concurrency", "Handlers that may run at once", () => now().concurrency),
      gauge("muster_suspects", "Suspects that wait for their turn", () => now().suspects),
      gauge("muster_degraded", "1 while a dependency is unreachable", () => now().isDegraded),
      gauge("muster_breaker_open", "1 while the breaker keeps from pulling", () => now().isBreakerOpen),
      gauge("muster_paused", "1 while the group is paused", () => now().isPaused),
      gauge("muster_ready", "1 while the member takes messages", () => now().isReady),
      gauge("muster_spec_revision", "Revision of the group's spec in use", () => now().specRevision),
      counter("muster_pull_recreated_total", "Stalled pulls made again", () => events.pullRecreated),
      counter("muster_reconnects_total", "Times the connection came back", () => events.reconnects),
      counter("muster_heartbeat_failures_total", "Heartbeats not written", () => events.heartbeatFailures),
      counter("muster_queue_lost_total", "Messages of a queue group dropped", () => events.queueLost),
      gauge("muster_build_info", "Versions of the core and of the application", () => 1, {
        core_version,
        app_version,
      }),
    ];
  }
}

function tally<K extends string>(keys: readonly K[]): Record<K, number> {
  return byKey(keys, () => 0);
}

function histograms<K extends string>(keys: readonly K[]): Record<K, Histogram> {
  return byKey(keys, () => new Histogram());
}

function byKey<K extends string, V>(keys: readonly K[], value: () => V): Record<K, V> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every key is there
  return Object.fromEntries(keys.map((key) => [key, value()])) as Record<K, V>;
}
