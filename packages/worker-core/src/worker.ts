import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { GroupSpec, MemberRecord } from "@muster/contracts";
import { memberSubject, MusterError } from "@muster/contracts";
import type { ZodType, z } from "zod";
import { AttemptsStore } from "./attempts.ts";
import { delay, isoTime } from "./clock.ts";
import type { WorkerConfig } from "./config.ts";
import { coreVersion } from "./config.ts";
import type { Connection } from "./connection.ts";
import { openConnection } from "./connection.ts";
import { Contracts } from "./contracts.ts";
import { DeadLetters } from "./dead-letter.ts";
import { Deliveries } from "./delivery.ts";
import type { Handler } from "./handle.ts";
import { Handlers } from "./handle.ts";
import { Hold } from "./hold.ts";
import { Kv } from "./kv.ts";
import { Ledger } from "./ledger.ts";
import type { Logger } from "./log.ts";
import { createLog } from "./log.ts";
import { Membership } from "./member.ts";
import { readMessage } from "./message.ts";
import { Pull } from "./pull.ts";
import type { Step } from "./settle.ts";
import { Settlement } from "./settle.ts";
import { SpecPoll } from "./spec.ts";
import { Stats } from "./stats.ts";
import { Wire } from "./wire.ts";

export interface WorkerOptions<T extends ZodType> {
  /** Gives the handler its type; what is accepted is decided by the group's contract in NATS. */
  contract: T;
  handler: Handler<z.infer<T>>;
  config: WorkerConfig;
  /** Default: JSON lines on stdout. */
  log?: Logger;
  /** Called when a delivery passes a step, for tests. */
  onStep?: (step: Step, message: { sequence: number; eventId: string }) => void;
}

/** How a worker's life ended. */
export interface WorkerEnd {
  /** `drained`: all that ran has ended. `grace`: handlers still ran. `forced`: told to stop at once. `taken`: the id is another's. */
  readonly reason: "drained" | "grace" | "forced" | "taken";
}

/** All that needs a connection. */
interface Parts {
  connection: Connection;
  wire: Wire;
  spec: SpecPoll;
  contracts: Contracts;
  ledger: Ledger;
  membership: Membership;
  hold: Hold;
  handlers: Handlers;
  deliveries: Deliveries;
  pull: Pull;
}

const reachableEveryMs = 1000;
/** Only until the first spec: a member without one holds nothing. */
const noSpecAckWaitMs = 30_000;

/** One member of a group. */
export class Worker<T extends ZodType = ZodType> {
  readonly #options: WorkerOptions<T>;
  readonly #config: WorkerConfig;
  readonly #log: Logger;
  readonly #stats = new Stats();
  readonly #startedAt = isoTime();
  readonly #instance = randomUUID();
  /** Ends heartbeats and waits: the worker has left. */
  readonly #stop = new AbortController();
  /** Ends a start that is still under way. */
  readonly #stopStart = new AbortController();
  readonly #end = Promise.withResolvers<WorkerEnd>();
  #parts: Parts | undefined;
  #starting: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #isDegraded = false;
  #hasJoined = false;
  #isTaken = false;

  constructor(options: WorkerOptions<T>) {
    this.#options = options;
    this.#config = options.config;
    this.#log = options.log ?? createLog(options.config);
  }

  /** Resolves when the worker has left, however that came. */
  get closed(): Promise<WorkerEnd> {
    return this.#end.promise;
  }

  get state(): MemberRecord["state"] {
    if (this.#draining !== undefined) {
      return "draining";
    }
    const spec = this.#parts?.spec;
    if (spec === undefined || !spec.isReady || !isSupported(spec.last)) {
      return "starting";
    }
    return spec.last?.paused === true ? "paused" : "running";
  }

  /** Connects and joins. Returns when joined, or when the group is not there yet and is waited for. */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Stops taking messages, lets handlers finish within the grace, leaves. Idempotent. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  /** Aborts the handlers and leaves at once. */
  async kill(): Promise<void> {
    this.#parts?.handlers.abort(new Error("worker was forced to stop"));
    this.#end.resolve({ reason: "forced" });
    await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  async #start(): Promise<void> {
    const { natsUrls, stream, group, workerId } = this.#config;
    const signal = this.#stopStart.signal;
    let connection: Connection;
    try {
      connection = await openConnection(
        { servers: natsUrls, name: `${stream}.${group}.${workerId}`, signal },
        this.#log,
      );
    } catch (error) {
      if (error instanceof MusterError && error.code === "stopped") {
        return;
      }
      throw error;
    }
    const parts = this.#build(connection);
    this.#parts = parts;
    this.#listenForCommands(connection);
    await this.#poll(parts);
    const claim = await parts.membership.claim(() => this.#record(), signal);
    if (signal.aborted) {
      return;
    }
    if (claim === "taken") {
      this.#taken();
      return;
    }
    this.#join();
    void this.#beat(parts);
  }

  #build(connection: Connection): Parts {
    const config = this.#config;
    const log = this.#log;
    const wire = new Wire(connection);
    const kv = new Kv(wire, config.apiPrefix);
    const spec = new SpecPoll(kv, config, log);
    const contracts = new Contracts(kv, log);
    const ledger = new Ledger(kv, config);
    const hold = new Hold(connection, () => spec.last?.ack_wait_ms ?? noSpecAckWaitMs, log);
    const stats = this.#stats;
    const handlers = new Handlers(this.#options.handler, {
      nats: connection.nats,
      log,
      stats,
      timeoutMs: () => lastSpec(spec).timeout_ms,
    });
    const settleParts = {
      hold,
      ledger,
      attempts: new AttemptsStore(kv, config),
      deadLetters: new DeadLetters(wire, connection, config),
      spec: () => lastSpec(spec),
      stats,
      log,
      onStep: this.#options.onStep ?? (() => undefined),
      random: Math.random,
    };
    const deliveries = new Deliveries({
      ...settleParts,
      settlement: new Settlement(settleParts),
      contracts,
      handle: handlers.handle,
      onFree: () => pull.wake(),
      onUnreachable: (error) => void this.#degrade(error),
    });
    const pull = new Pull(
      connection,
      {
        subject: `${config.apiPrefix}.CONSUMER.MSG.NEXT.${config.stream}.${config.group}`,
        concurrency: () => lastSpec(spec).concurrency,
        held: () => deliveries.count,
        mayPull: () => this.#hasJoined && this.state === "running" && !this.#isDegraded,
        onMessage: (msg) => {
          const message = readMessage(msg, config.stream, config.group);
          if (message !== undefined) {
            deliveries.take(message);
          }
        },
      },
      log,
    );
    const membership = new Membership(kv, config, this.#instance, log);
    return { connection, wire, spec, contracts, ledger, membership, hold, handlers, deliveries, pull };
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

  #join(): void {
    this.#hasJoined = true;
    this.#log.info({ state: this.state, revision: this.#parts?.spec.revision }, "joined");
    this.#parts?.pull.wake();
  }

  /** Heartbeats until the worker leaves. */
  async #beat(parts: Parts): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await delay(this.#config.heartbeatMs, signal);
      if (signal.aborted) {
        return;
      }
      // Side by side: a spec that does not answer must not let the heartbeat expire.
      const [claim] = await Promise.all([
        parts.membership.beat(() => this.#record(), signal),
        this.#poll(parts),
      ]);
      if (!signal.aborted && claim === "taken") {
        this.#taken();
        return;
      }
    }
  }

  async #poll({ spec, contracts, hold, deliveries, pull }: Parts): Promise<void> {
    await spec.poll();
    hold.adjust();
    if (spec.last !== undefined) {
      await contracts.refresh(spec.last.contracts);
      if (!isSupported(spec.last)) {
        this.#log.error(
          { code: "unsupported_spec", delivery: spec.last.delivery.mode, ledger: spec.last.ledger },
          "spec cannot be used",
        );
      }
      // Concurrency or pause may have changed.
      deliveries.pump();
      pull.wake();
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

  async #degrade(error: MusterError): Promise<void> {
    this.#stats.lastError = error.message;
    if (this.#isDegraded || this.#parts === undefined) {
      return;
    }
    this.#isDegraded = true;
    this.#log.warn({ code: error.code, error: error.message }, "degraded");
    do {
      await delay(reachableEveryMs, this.#stop.signal);
      if (this.#stop.signal.aborted) {
        return;
      }
    } while (!(await this.#parts.ledger.isReachable()));
    this.#isDegraded = false;
    this.#log.info("recovered");
    this.#parts.pull.wake();
  }

  async #drain(): Promise<void> {
    this.#log.info({ state: "draining" }, "draining");
    this.#stopStart.abort();
    // A claim on its way would otherwise be made after the record was deleted.
    await this.#starting?.catch(() => undefined);
    const parts = this.#parts;
    let reason: WorkerEnd["reason"] = "drained";
    if (parts !== undefined) {
      // Handlers may still need the connection: returning what was not started comes before its end.
      const graceOver = new AbortController();
      const grace = delay(this.#config.graceMs, graceOver.signal).then(() => "grace" as const);
      const finished = (async () => {
        const idle = parts.deliveries.drain();
        await parts.pull.drain();
        await idle;
        await parts.deliveries.drain();
        return "drained" as const;
      })();
      reason = await Promise.race([grace, finished]);
      graceOver.abort();
      if (reason === "grace") {
        parts.handlers.abort(new Error("the grace of the drain is over"));
      }
    }
    await this.#close();
    this.#end.resolve({ reason: this.#isTaken ? "taken" : reason });
  }

  async #close(): Promise<void> {
    const wasStopped = this.#stop.signal.aborted;
    this.#stop.abort();
    this.#stopStart.abort();
    const parts = this.#parts;
    if (wasStopped || parts === undefined) {
      return;
    }
    if (!this.#isTaken) {
      await parts.membership.leave();
    }
    await parts.connection.flush(2000);
    parts.hold.close();
    parts.wire.close();
    await parts.connection.close();
    this.#log.info("left");
  }

  #record(): MemberRecord {
    const { parts, stats } = { parts: this.#parts, stats: this.#stats };
    const spec = parts?.spec.last;
    const oldest = parts?.deliveries.oldest;
    const p50 = stats.percentile(0.5);
    const p99 = stats.percentile(0.99);
    return {
      v: 1,
      id: this.#config.workerId,
      instance: this.#instance,
      language: "ts",
      core_version: coreVersion,
      app_version: this.#config.version,
      host: hostname(),
      pid: process.pid,
      started_at: this.#startedAt,
      state: this.state,
      degraded: this.#isDegraded,
      delivery: spec?.delivery.mode ?? "pull",
      concurrency: spec?.concurrency ?? 0,
      in_flight: parts?.handlers.count ?? 0,
      held: parts?.deliveries.count ?? 0,
      counts: { ...stats.counts },
      ...(p50 === undefined ? {} : { p50_ms: p50 }),
      ...(p99 === undefined ? {} : { p99_ms: p99 }),
      ...(stats.lastError === undefined ? {} : { last_error: stats.lastError }),
      spec_revision: parts?.spec.revision ?? 0,
      contracts: parts?.contracts.names ?? [],
      ...(oldest === undefined
        ? {}
        : { oldest: { sequence: oldest.sequence, since: isoTime(oldest.sinceMs) } }),
      restart_needed: parts?.spec.restartNeeded ?? [],
    };
  }
}

/** This edition of the core speaks pull with a KV ledger; a group that wants another is waited for. */
function isSupported(spec: GroupSpec | undefined): boolean {
  return spec?.delivery.mode === "pull" && spec.ledger === "kv";
}

function lastSpec(poll: SpecPoll): GroupSpec {
  if (poll.last === undefined) {
    throw new Error("a message came before the spec");
  }
  return poll.last;
}
