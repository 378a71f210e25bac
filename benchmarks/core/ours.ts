// The worker as a user runs it, and its engine alone: pull, slots, hold and acks without parsing and verdict.
import { OrderV1 } from "@muster/contracts";
import { createLog, readConfig, Worker, type WorkerConfig } from "@muster/worker-core";
import {
  closeBase,
  Ends,
  Events,
  Metrics,
  NoLedger,
  openBase,
  openConnection,
  openMode,
  Stats,
} from "@muster/worker-core/internal";
import type { Lab, Loaded } from "./lab.ts";

/** How the worker is to run. */
export type How = {
  confirmAcks?: boolean;
  /** Handle the messages of a batch in one call. */
  batch?: boolean;
  databaseUrl?: string;
  /** Milliseconds that each handler waits; 0: it returns at once. */
  workMs?: number;
};

/** The configuration of a worker in a loaded group. */
export function configOf(loaded: Loaded, databaseUrl?: string): WorkerConfig {
  return readConfig({
    NATS_URL: loaded.url,
    MUSTER_STREAM: loaded.stream,
    MUSTER_GROUP: loaded.group,
    WORKER_ID: `bench-${loaded.stream}`,
    LOG_LEVEL: "error",
    DATABASE_URL: databaseUrl,
  });
}

/** Counts handled messages; tells the rate when all of them are acked. */
class Clock {
  readonly done = Promise.withResolvers<void>();
  readonly #messages: number;
  #count = 0;
  #startedAt = 0;

  constructor(messages: number) {
    this.#messages = messages;
  }

  readonly handled = (count = 1): void => {
    if (this.#count === 0) this.#startedAt = performance.now();
    this.#count += count;
    if (this.#count >= this.#messages) this.done.resolve();
  };

  rate(): number {
    return (1000 * this.#count) / (performance.now() - this.#startedAt);
  }
}

/** Messages per second of a worker, from the first message to the last ack. */
export async function runWorker(lab: Lab, loaded: Loaded, how: How = {}): Promise<number> {
  const config = configOf(loaded, how.databaseUrl);
  const clock = new Clock(loaded.messages);
  const { workMs = 0, confirmAcks = false } = how;
  const handler = (): unknown => {
    clock.handled();
    return workMs === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, workMs));
  };
  const batchHandler = (messages: readonly unknown[]): void => clock.handled(messages.length);
  const common = { contract: OrderV1, config, log: createLog(config), confirmAcks };
  await using worker = new Worker(how.batch === true ? { ...common, batchHandler } : { ...common, handler });
  await worker.start();
  await clock.done.promise;
  await lab.acked(loaded);
  return clock.rate();
}

/** Messages per second of the engine alone: every body is taken as it is. */
export async function runEngine(
  lab: Lab,
  loaded: Loaded,
  { confirmAcks = false }: How = {},
): Promise<number> {
  const config = configOf(loaded);
  const log = createLog(config);
  const { signal } = new AbortController();
  const connection = await openConnection({ servers: config.natsUrls, name: "bench", signal }, log);
  const base = openBase(connection, { config, log, instance: "bench", confirmAcks });
  const taken = { ok: true as const, value: undefined };
  base.contracts.loaded = () => () => taken;
  const metrics = new Metrics(
    { stream: loaded.stream, group: loaded.group, member: config.workerId, coreVersion: "", appVersion: "" },
    () => ({
      inFlight: 0,
      held: 0,
      concurrency: 0,
      suspects: 0,
      specRevision: 0,
      isDegraded: false,
      isBreakerOpen: false,
      isPaused: false,
      isReady: true,
    }),
  );
  const stats = new Stats(metrics);
  const clock = new Clock(loaded.messages);
  const mode = openMode("pull", {
    base,
    ledger: new NoLedger(base.kv, config),
    handler: { handler: () => clock.handled() },
    stats,
    ends: new Ends({ stats, log, events: new Events(log) }),
    spec: () => loaded.spec,
    mayPull: () => true,
    onUnreachable: () => undefined,
    onQueueLost: () => undefined,
  });
  mode.source.wake();
  await clock.done.promise;
  await lab.acked(loaded);
  const rate = clock.rate();
  await mode.intake.drain();
  await mode.source.drain();
  await mode.close();
  await closeBase(base);
  return rate;
}
