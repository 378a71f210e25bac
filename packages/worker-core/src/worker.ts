import { randomUUID } from "node:crypto";
import type { MemberRecord } from "@muster/contracts";
import { memberSubject, MusterError } from "@muster/contracts";
import type { PermissionViolationError } from "@nats-io/transport-node";
import type { ZodType } from "zod";
import type { Base } from "./base.ts";
import { closeBase, openBase } from "./base.ts";
import { delay, isoTime } from "./clock.ts";
import { withConcerns } from "./concerns.ts";
import type { WorkerConfig } from "./config.ts";
import { coreVersion } from "./config.ts";
import type { Connection } from "./connection.ts";
import { openConnection } from "./connection.ts";
import type { WorkerEvents } from "./events.ts";
import { Events } from "./events.ts";
import { isLive, whyNotReady } from "./health.ts";
import type { HttpEndpoint } from "./http.ts";
import type { Logger } from "./log.ts";
import { createLog } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { isNeeded } from "./needs.ts";
import { memberRecord } from "./record.ts";
import { Stats } from "./stats.ts";
import { Work } from "./work.ts";
import type { WorkerEnd, WorkerOptions } from "./worker-options.ts";

const defaultStallMs = 30_000;

/** One member of a group. */
export class Worker<T extends ZodType = ZodType> {
  readonly #options: WorkerOptions<T>;
  readonly #config: WorkerConfig;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #stats: Stats;
  readonly #events: Events;
  readonly #startedAt = isoTime();
  readonly #instance = randomUUID();
  /** Ends heartbeats and waits: the worker has left. */
  readonly #stop = new AbortController();
  /** Ends a start that is still under way. */
  readonly #stopStart = new AbortController();
  readonly #end = Promise.withResolvers<WorkerEnd>();
  #http: HttpEndpoint | undefined;
  #base: Base | undefined;
  #work: Work | undefined;
  #starting: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #hasJoined = false;
  #isTaken = false;
  #isRefused = false;
  #wasPaused = false;

  constructor(options: WorkerOptions<T>) {
    const { config } = options;
    this.#options = options;
    this.#config = config;
    this.#log = options.log ?? createLog(config);
    this.#events = new Events(this.#log);
    const { stream, group, workerId: member, version: appVersion } = config;
    this.#metrics = new Metrics({ stream, group, member, coreVersion, appVersion }, () => this.#snapshot());
    this.#stats = new Stats(this.#metrics);
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
    if (spec === undefined || !spec.isReady || this.#work?.mode === undefined) {
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
    this.#work?.abort("worker was forced to stop");
    this.#end.resolve({ reason: "forced" });
    await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  async #start(): Promise<void> {
    const { natsUrls, loginFiles, inboxPrefix, stream, group, workerId } = this.#config;
    const { httpHost: host, httpPort: port } = this.#config;
    const signal = this.#stopStart.signal;
    if (port !== undefined) {
      // Loaded only where it is asked for: node:http costs every start 40 ms.
      const { startHttp } = await import("./http.ts");
      this.#http = await startHttp(
        {
          host,
          port,
          live: () => isLive(this.#snapshot(), this.#work?.mode?.handlers.lateCount ?? 0),
          ready: () => this.#readiness(),
          metrics: () => this.#metrics.text(),
        },
        this.#log,
      );
    }
    let connection: Connection;
    try {
      const name = `${stream}.${group}.${workerId}`;
      const options = { servers: natsUrls, loginFiles, inboxPrefix, name, signal };
      connection = await openConnection(options, this.#log);
    } catch (error) {
      if (error instanceof MusterError && error.code === "stopped") {
        return;
      }
      if (error instanceof MusterError && error.code === "login_refused") {
        this.#refused("login refused", error.code, error.message);
        return;
      }
      throw error;
    }
    connection.onForbidden((error) => this.#onForbidden(error));
    connection.onChange((isUp) => {
      if (isUp) {
        this.#metrics.reconnected();
      }
    });
    const confirmAcks = this.#options.confirmAcks === true;
    const parts = { config: this.#config, log: this.#log, instance: this.#instance, confirmAcks };
    const base = openBase(connection, parts);
    const work = this.#openWork(base);
    this.#base = base;
    this.#work = work;
    this.#listenForCommands(connection);
    await this.#poll(base, work);
    const claim = await base.membership.claim(() => this.#record(), signal);
    if (signal.aborted) {
      return;
    }
    if (claim === "taken") {
      this.#taken();
      return;
    }
    this.#hasJoined = true;
    work.wake();
    // In a queue group what is published before the server knows the subscriptions passes unseen.
    await connection.flush();
    this.#log.info({ state: this.state, revision: base.spec.revision }, "joined");
    this.#events.emit("joined");
    void this.#beat(base);
    void this.#follow(base, work);
  }

  #openWork(base: Base): Work {
    const { middleware = [], stallMs = defaultStallMs, onStep } = this.#options;
    return new Work({
      base,
      handler: withConcerns(this.#options, middleware, this.#config.group),
      stats: this.#stats,
      metrics: this.#metrics,
      events: this.#events,
      stallMs,
      onStep,
      isWanted: () => this.#hasJoined && this.state === "running",
    });
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
      const claim = await base.membership.beat(() => this.#record(), signal);
      if (claim === "unreachable") {
        this.#metrics.heartbeatFailed();
      }
      if (!signal.aborted && claim === "taken") {
        this.#taken();
        return;
      }
    }
  }

  /** Follows the spec until the worker leaves: beside the heartbeat, which must not expire for a ledger that is slow to open. */
  async #follow(base: Base, work: Work): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await delay(this.#config.heartbeatMs, signal);
      if (signal.aborted) {
        return;
      }
      await this.#poll(base, work);
    }
  }

  async #poll(base: Base, work: Work): Promise<void> {
    const { spec, contracts, hold } = base;
    const before = spec.revision;
    await spec.poll();
    hold.adjust();
    if (spec.last === undefined) {
      return;
    }
    await contracts.refresh(spec.last.contracts);
    if (work.mode === undefined) {
      await work.open(spec.last);
    }
    if (spec.revision !== before) {
      this.#events.emit("spec", spec.last);
      this.#tellPause(spec.last.paused);
    }
    // Concurrency or pause may have changed.
    work.wake();
  }

  #tellPause(isPaused: boolean): void {
    if (isPaused !== this.#wasPaused) {
      this.#wasPaused = isPaused;
      this.#log.info(isPaused ? "paused" : "resumed");
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

  #onForbidden(error: PermissionViolationError): void {
    if (isNeeded(error, this.#config)) {
      this.#refused("not permitted", "not_permitted", error.message);
    } else {
      this.#log.error({ code: "nats_error", error: error.message }, "server error");
    }
  }

  /** Without what the server refuses there is no work: a process that ends says so more clearly than one that waits. */
  #refused(message: string, code: string, error: string): void {
    if (!this.#isRefused) {
      this.#log.error({ code, error }, message);
    }
    this.#isRefused = true;
    void this.drain();
  }

  async #drain(): Promise<void> {
    this.#log.info({ state: "draining" }, "draining");
    this.#stopStart.abort();
    // A claim on its way would otherwise be made after the record was deleted.
    await this.#starting?.catch(() => undefined);
    const work = this.#work;
    let reason: WorkerEnd["reason"] = "drained";
    if (work !== undefined) {
      // Handlers may still need the connection: returning what was not started comes before its end.
      const graceOver = new AbortController();
      const grace = delay(this.#config.graceMs, graceOver.signal).then(() => "grace" as const);
      reason = await Promise.race([grace, work.drain().then(() => "drained" as const)]);
      graceOver.abort();
      if (reason === "grace") {
        work.abort("the grace of the drain is over");
      }
    }
    await this.#close();
    this.#end.resolve({ reason: this.#isTaken ? "taken" : this.#isRefused ? "refused" : reason });
  }

  async #close(): Promise<void> {
    const wasStopped = this.#stop.signal.aborted;
    this.#stop.abort();
    this.#stopStart.abort();
    if (wasStopped) {
      return;
    }
    const base = this.#base;
    if (base !== undefined) {
      if (!this.#isTaken) {
        await base.membership.leave();
      }
      await this.#work?.close();
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
      isDegraded: this.#work?.isDegraded === true,
    });
  }

  #snapshot() {
    const mode = this.#work?.mode;
    const { spec } = this.#base ?? {};
    return {
      inFlight: mode?.handlers.count ?? 0,
      held: mode?.intake.count ?? 0,
      suspects: mode?.intake.suspectCount ?? 0,
      concurrency: spec?.last?.concurrency ?? 0,
      isDegraded: this.#work?.isDegraded === true,
      isBreakerOpen: this.#work?.isBreakerOpen === true,
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
      oldest: this.#work?.mode?.intake.oldest,
      mode: this.#work?.mode?.name ?? spec?.last?.delivery.mode ?? "pull",
    });
  }
}
