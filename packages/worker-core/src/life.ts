import { randomUUID } from "node:crypto";
import type { MemberRecord } from "@muster/contracts";
import type { Base } from "./base.ts";
import { isoTime } from "./clock.ts";
import type { WorkerConfig } from "./config.ts";
import { coreVersion } from "./config.ts";
import { Events } from "./events.ts";
import { isLive, whyNotReady } from "./health.ts";
import type { HttpEndpoint } from "./http.ts";
import type { Logger } from "./log.ts";
import type { Snapshot } from "./metrics.ts";
import { Metrics } from "./metrics.ts";
import type { AnyHandler } from "./mode.ts";
import { memberRecord } from "./record.ts";
import { Stats } from "./stats.ts";
import type { Work, WorkParts } from "./work.ts";
import type { WorkerEnd } from "./worker-options.ts";

/** What a worker is made of, its defaults filled in. */
export interface LifeParts extends Pick<WorkParts, "stallMs" | "onStep"> {
  readonly config: WorkerConfig;
  readonly log: Logger;
  readonly handler: AnyHandler;
  readonly confirmAcks: boolean;
}

/** A member's life so far: what it is made of, what it has opened, and how it stands. */
export class Life {
  readonly parts: LifeParts;
  readonly config: WorkerConfig;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly stats: Stats;
  readonly events: Events;
  readonly startedAt = isoTime();
  readonly instance = randomUUID();
  /** Ends heartbeats and waits: the worker has left. */
  readonly stop = new AbortController();
  /** Ends a start that is still under way. */
  readonly stopStart = new AbortController();
  readonly end = Promise.withResolvers<WorkerEnd>();
  http: HttpEndpoint | undefined;
  base: Base | undefined;
  work: Work | undefined;
  starting: Promise<void> | undefined;
  draining: Promise<void> | undefined;
  hasJoined = false;
  isTaken = false;
  isRefused = false;
  wasPaused = false;

  constructor(parts: LifeParts) {
    const { config, log } = parts;
    this.parts = parts;
    this.config = config;
    this.log = log;
    this.events = new Events(log);
    const { stream, group, workerId: member, version: appVersion } = config;
    this.metrics = new Metrics({ stream, group, member, coreVersion, appVersion }, () => this.snapshot());
    this.stats = new Stats(this.metrics);
  }

  /** As in the member record. */
  get state(): MemberRecord["state"] {
    if (this.draining !== undefined) {
      return "draining";
    }
    const spec = this.base?.spec;
    if (spec === undefined || !spec.isReady || this.work?.mode === undefined) {
      return "starting";
    }
    return spec.last?.paused === true ? "paused" : "running";
  }

  /** Whether the process should be kept. */
  live(): { ok: boolean; why?: string } {
    return isLive(this.snapshot(), this.work?.mode?.handlers.lateCount ?? 0);
  }

  /** Whether the member takes messages, with every reason why not. */
  readiness(): { ok: boolean; why: string[] } {
    return whyNotReady({
      hasJoined: this.hasJoined,
      isConnected: this.base?.connection.isUp === true,
      state: this.state,
      isDegraded: this.work?.isDegraded === true,
    });
  }

  /** What the gauges show. */
  snapshot(): Snapshot {
    const mode = this.work?.mode;
    const { spec } = this.base ?? {};
    return {
      inFlight: mode?.handlers.count ?? 0,
      held: mode?.intake.count ?? 0,
      suspects: mode?.intake.suspectCount ?? 0,
      concurrency: spec?.last?.concurrency ?? 0,
      isDegraded: this.work?.isDegraded === true,
      isBreakerOpen: this.work?.isBreakerOpen === true,
      isPaused: this.state === "paused",
      isReady: this.readiness().ok,
      specRevision: spec?.revision ?? 0,
    };
  }

  /** What the member tells of itself with every heartbeat. */
  record(): MemberRecord {
    const spec = this.base?.spec;
    const { inFlight, held, isDegraded, specRevision } = this.snapshot();
    return memberRecord(this.config, this.stats, {
      instance: this.instance,
      startedAt: this.startedAt,
      state: this.state,
      isDegraded,
      spec: spec?.last,
      specRevision,
      restartNeeded: spec?.restartNeeded ?? [],
      contracts: this.base?.contracts.names ?? [],
      inFlight,
      held,
      oldest: this.work?.mode?.intake.oldest,
      mode: this.work?.mode?.name ?? spec?.last?.delivery.mode ?? "pull",
    });
  }
}
