import { randomUUID } from "node:crypto";
import type { GroupSpec, MemberRecord } from "@muster/contracts";
import { memberSubject, MusterError } from "@muster/contracts";
import type { ZodType, z } from "zod";
import type { Base } from "./base.ts";
import { closeBase, openBase } from "./base.ts";
import type { BatchHandler } from "./batch.ts";
import { Breaker } from "./breaker.ts";
import { delay, isoTime } from "./clock.ts";
import { withConcerns } from "./concerns.ts";
import type { WorkerConfig } from "./config.ts";
import { coreVersion } from "./config.ts";
import type { Connection } from "./connection.ts";
import { openConnection } from "./connection.ts";
import type { Step } from "./ends.ts";
import { Ends } from "./ends.ts";
import type { WorkerEvents } from "./events.ts";
import { Events } from "./events.ts";
import type { Handler } from "./handle.ts";
import { isLive, whyNotReady } from "./health.ts";
import type { HttpEndpoint } from "./http.ts";
import { startHttp } from "./http.ts";
import { openLedger } from "./ledger/open.ts";
import type { Logger } from "./log.ts";
import { createLog } from "./log.ts";
import { Metrics } from "./metrics.ts";
import type { Middleware } from "./concerns.ts";
import type { Mode } from "./mode.ts";
import { openMode } from "./mode.ts";
import { Outage } from "./outage.ts";
import { memberRecord } from "./record.ts";
import { whatIsNotPromised, whyUnsupported } from "./spec-check.ts";
import { Stats } from "./stats.ts";
import { Watchdog } from "./watchdog.ts";

/** What a worker is made of. */
export type WorkerOptions<T extends ZodType> = {
  /** Gives the handler its type; what is accepted is decided by the group's contract in NATS. */
  contract: T;
  config: WorkerConfig;
  /** Run around each handler, the first one outermost. Default: none. */
  middleware?: readonly Middleware[];
  /** Default: JSON lines on stdout. */
  log?: Logger;
  /**
   * Ask the server to confirm each ack before its place is given to the next message. Costs about a third of the
   * speed, and narrows, but does not close, the time in which a killed server forgets an ack. Default: false.
   */
  confirmAcks?: boolean;
  /** Silence of a pull, in milliseconds, after which the watchdog asks the server. Default: 30,000. */
  stallMs?: number;
  /** Called when a delivery passes a step, for tests. */
  onStep?: (step: Step, message: { sequence: number; eventId: string }) => void;
} & (
  | { handler: Handler<z.infer<T>>; batchHandler?: never }
  | { batchHandler: BatchHandler<z.infer<T>>; handler?: never }
);

/** How a worker's life ended. */
export interface WorkerEnd {
  /** `drained`: all that ran has ended. `grace`: handlers still ran. `forced`: told to stop at once. `taken`: the id is another's. */
  readonly reason: "drained" | "grace" | "forced" | "taken";
}

const defaultStallMs = 30_000;

/** One member of a group. */
export class Worker<T extends ZodType = ZodType> {
  readonly #options: WorkerOptions<T>;
  readonly #config: WorkerConfig;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #stats: Stats;
  readonly #events: Events;
  readonly #breaker: Breaker;
  readonly #startedAt = isoTime();
  readonly #instance = randomUUID();
  /** Ends heartbeats and waits: the worker has left. */
  readonly #stop = new AbortController();
  /** Ends a start that is still under way. */
  readonly #stopStart = new AbortController();
  readonly #end = Promise.withResolvers<WorkerEnd>();
  readonly #outage: Outage;
  #http: HttpEndpoint | undefined;
  #base: Base | undefined;
  #mode: Mode | undefined;
  #watchdog: Watchdog | undefined;
  #starting: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #hasJoined = false;
  #isTaken = false;
  #wasPaused = false;
  #refusedRevision = -1;

  constructor(options: WorkerOptions<T>) {
    const { config } = options;
    this.#options = options;
    this.#config = config;
    this.#log = options.log ?? createLog(config);
    this.#events = new Events(this.#log);
    const { stream, group, workerId: member, version: appVersion } = config;
    this.#metrics = new Metrics({ stream, group, member, coreVersion, appVersion }, () => this.#snapshot());
    this.#stats = new Stats(this.#metrics);
    this.#breaker = new Breaker(
      () => this.#base?.spec.last?.breaker,
      (isOpen) => this.#onBreaker(isOpen),
    );
    this.#outage = new Outage({
      isReachable: async () => (await this.#mode?.ledger.isReachable()) ?? true,
      onRecovered: () => {
        this.#events.emit("recovered");
        this.#mode?.source.wake();
      },
      log: this.#log,
      signal: this.#stop.signal,
    });
  }

  /** Resolves when the worker has left, however that came. */
  get closed(): Promise<WorkerEnd> {
    return this.#end.promise;
  }

  get state(): MemberRecord["state"] {
    if (this.#draining !== undefined) {
      return "draining";
    }
    const spec = this.#base?.spec;
    if (spec === undefined || !spec.isReady || this.#mode === undefined) {
      return "starting";
    }
    return spec.last?.paused === true ? "paused" : "running";
  }

  /** Port of /metrics, /livez and /readyz; undefined where there is none. */
  get httpPort(): number | undefined {
    return this.#http?.port;
  }

  /** Calls back at each event, see {@link WorkerEvents}. A listener that throws is logged and stops nothing. */
  on<E extends keyof WorkerEvents>(event: E, listener: (...args: WorkerEvents[E]) => void): this {
    this.#events.on(event, listener);
    return this;
  }

  /**
   * Connects and joins. Returns when joined, or when the group is not there yet and is waited for.
   * Throws a MusterError `port_in_use` where its HTTP port is taken.
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Stops taking messages, lets handlers finish within the grace, leaves. Idempotent; also before `start`. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  /** Aborts the handlers and leaves at once. */
  async kill(): Promise<void> {
    this.#mode?.handlers.abort(new Error("worker was forced to stop"));
    this.#end.resolve({ reason: "forced" });
    await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  async #start(): Promise<void> {
    const { natsUrls, stream, group, workerId, httpHost: host, httpPort: port } = this.#config;
    const signal = this.#stopStart.signal;
    if (port !== undefined) {
      this.#http = await startHttp(
        {
          host,
          port,
          live: () => isLive(this.#snapshot(), this.#mode?.handlers.lateCount ?? 0),
          ready: () => this.#readiness(),
          metrics: () => this.#metrics.text(),
        },
        this.#log,
      );
    }
    let connection: Connection;
    try {
      const options = { servers: natsUrls, name: `${stream}.${group}.${workerId}`, signal };
      connection = await openConnection(options, this.#log);
    } catch (error) {
      if (error instanceof MusterError && error.code === "stopped") {
        return;
      }
      throw error;
    }
    connection.onChange((isUp) => {
      if (isUp) {
        this.#metrics.reconnected();
      }
    });
    const confirmAcks = this.#options.confirmAcks === true;
    const parts = { config: this.#config, log: this.#log, instance: this.#instance, confirmAcks };
    const base = openBase(connection, parts);
    this.#base = base;
    this.#listenForCommands(connection);
    await this.#poll(base);
    const claim = await base.membership.claim(() => this.#record(), signal);
    if (signal.aborted) {
      return;
    }
    if (claim === "taken") {
      this.#taken();
      return;
    }
    this.#hasJoined = true;
    this.#log.info({ state: this.state, revision: base.spec.revision }, "joined");
    this.#events.emit("joined");
    this.#mode?.source.wake();
    void this.#beat(base);
  }

  #listenForCommands(connection: Connection): void {
    const { stream, group, workerId } = this.#config;
    connection.nats.subscribe(memberSubject(stream, group, workerId, "drain"), {
      callback: (error, msg) => {
        if (error === null) {
          msg.respond('{"ok":true}');
          void this.drain();
        }
      },
    });
  }

  /** Heartbeats until the worker leaves. */
  async #beat(base: Base): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await delay(this.#config.heartbeatMs, signal);
      if (signal.aborted) {
        return;
      }
      // Side by side: a spec that does not answer must not let the heartbeat expire.
      const [claim] = await Promise.all([
        base.membership.beat(() => this.#record(), signal),
        this.#poll(base),
      ]);
      if (claim === "unreachable") {
        this.#metrics.heartbeatFailed();
      }
      if (!signal.aborted && claim === "taken") {
        this.#taken();
        return;
      }
    }
  }

  async #poll(base: Base): Promise<void> {
    const { spec, contracts, hold } = base;
    const before = spec.revision;
    await spec.poll();
    hold.adjust();
    if (spec.last === undefined) {
      return;
    }
    await contracts.refresh(spec.last.contracts);
    if (this.#mode === undefined) {
      this.#openMode(base, spec.last);
    }
    if (spec.revision !== before) {
      this.#events.emit("spec", spec.last);
      this.#tellPause(spec.last.paused);
    }
    // Concurrency or pause may have changed.
    this.#mode?.intake.pump();
    this.#mode?.source.wake();
  }

  #openMode(base: Base, spec: GroupSpec): void {
    const why = whyUnsupported(spec, this.#config);
    if (why !== undefined) {
      if (this.#refusedRevision !== base.spec.revision) {
        this.#refusedRevision = base.spec.revision;
        this.#log.error({ code: "unsupported_spec", error: why }, "spec cannot be used");
      }
      return;
    }
    for (const limit of whatIsNotPromised(spec)) {
      this.#log.info({ limit }, "not promised");
    }
    this.#mode = openMode(spec.delivery.mode, {
      base,
      ledger: openLedger(spec.ledger, base, this.#metrics),
      handler: withConcerns(this.#options, this.#options.middleware ?? [], this.#config),
      stats: this.#stats,
      ends: this.#ends(),
      spec: () => base.spec.last ?? spec,
      mayPull: () =>
        this.#hasJoined && this.state === "running" && !this.#outage.isOn && !this.#breaker.isOpen,
      onUnreachable: (error) => this.#onUnreachable(error),
      onQueueLost: () => this.#metrics.queueLost(),
    });
    this.#watch(base, this.#mode);
  }

  #ends(): Ends {
    return new Ends({
      stats: this.#stats,
      log: this.#log,
      events: this.#events,
      onStep: this.#options.onStep,
      onAttempt: (failed) => this.#breaker.attemptEnded(failed),
    });
  }

  #watch({ wire, config, log }: Base, { pull }: Mode): void {
    if (pull !== undefined) {
      this.#watchdog = new Watchdog({
        wire,
        config,
        log,
        pull,
        stallMs: this.#options.stallMs ?? defaultStallMs,
        isPullWanted: () => this.state === "running" && !this.#outage.isOn && !this.#breaker.isOpen,
        onStalled: () => {
          this.#metrics.pullRecreated();
          this.#events.emit("stalled");
        },
      });
    }
  }

  #tellPause(isPaused: boolean): void {
    if (isPaused !== this.#wasPaused) {
      this.#wasPaused = isPaused;
      this.#events.emit(isPaused ? "paused" : "resumed");
    }
  }

  #taken(): void {
    this.#log.error(
      { code: "id_taken", error: "another process runs under this id; set WORKER_ID" },
      "id taken",
    );
    this.#isTaken = true;
    void this.drain();
  }

  #onUnreachable(error: Error): void {
    this.#stats.lastError = error.message;
    if (this.#outage.begin(error)) {
      this.#events.emit("degraded", { error: error.message });
      this.#mode?.source.wake();
    }
  }

  #onBreaker(isOpen: boolean): void {
    this.#log.warn({ code: isOpen ? "breaker_open" : "breaker_closed" }, isOpen ? "degraded" : "recovered");
    if (isOpen) {
      this.#events.emit("degraded", { error: "too many attempts fail" });
    } else {
      this.#events.emit("recovered");
    }
    this.#mode?.source.wake();
  }

  async #drain(): Promise<void> {
    this.#log.info({ state: "draining" }, "draining");
    this.#stopStart.abort();
    // A claim on its way would otherwise be made after the record was deleted.
    await this.#starting?.catch(() => undefined);
    const mode = this.#mode;
    let reason: WorkerEnd["reason"] = "drained";
    if (mode !== undefined) {
      // Handlers may still need the connection: returning what was not started comes before its end.
      const graceOver = new AbortController();
      const grace = delay(this.#config.graceMs, graceOver.signal).then(() => "grace" as const);
      const finished = (async () => {
        const idle = mode.intake.drain();
        await mode.source.drain();
        await idle;
        await mode.intake.drain();
        return "drained" as const;
      })();
      reason = await Promise.race([grace, finished]);
      graceOver.abort();
      if (reason === "grace") {
        mode.handlers.abort(new Error("the grace of the drain is over"));
      }
    }
    await this.#close();
    this.#end.resolve({ reason: this.#isTaken ? "taken" : reason });
  }

  async #close(): Promise<void> {
    const wasStopped = this.#stop.signal.aborted;
    this.#stop.abort();
    this.#stopStart.abort();
    if (wasStopped) {
      return;
    }
    const base = this.#base;
    this.#watchdog?.close();
    this.#breaker.close();
    if (base !== undefined) {
      if (!this.#isTaken) {
        await base.membership.leave();
      }
      await this.#mode?.close();
      await closeBase(base);
      this.#log.info("left");
    }
    await this.#http?.close();
    this.#events.emit("left");
  }

  #readiness(): { ok: boolean; why: string[] } {
    return whyNotReady({
      hasJoined: this.#hasJoined,
      isConnected: this.#base?.connection.isUp === true,
      state: this.state,
      isDegraded: this.#outage.isOn || this.#breaker.isOpen,
    });
  }

  #snapshot() {
    const { spec } = this.#base ?? {};
    return {
      inFlight: this.#mode?.handlers.count ?? 0,
      held: this.#mode?.intake.count ?? 0,
      suspects: this.#mode?.intake.suspectCount ?? 0,
      concurrency: spec?.last?.concurrency ?? 0,
      isDegraded: this.#outage.isOn || this.#breaker.isOpen,
      isBreakerOpen: this.#breaker.isOpen,
      isPaused: this.state === "paused",
      isReady: this.#readiness().ok,
      specRevision: spec?.revision ?? 0,
    };
  }

  #record(): MemberRecord {
    const spec = this.#base?.spec;
    const { inFlight, held, isDegraded, specRevision } = this.#snapshot();
    return memberRecord(this.#config, this.#stats, {
      instance: this.#instance,
      startedAt: this.#startedAt,
      state: this.state,
      isDegraded,
      spec: spec?.last,
      specRevision,
      restartNeeded: spec?.restartNeeded ?? [],
      contracts: this.#base?.contracts.names ?? [],
      inFlight,
      held,
      oldest: this.#mode?.intake.oldest,
      mode: this.#mode?.name ?? spec?.last?.delivery.mode ?? "pull",
    });
  }
}
