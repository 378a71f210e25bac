import { hostname } from "node:os";
import type { GroupSpec, MemberRecord } from "@muster/contracts";
import { isoTime } from "./clock.ts";
import type { WorkerConfig } from "./config.ts";
import { coreVersion } from "./config.ts";
import type { Stats } from "./stats.ts";

/** What a member tells of itself beside what its configuration and figures say. */
export interface RecordFacts {
  readonly instance: string;
  readonly startedAt: string;
  readonly state: MemberRecord["state"];
  readonly isDegraded: boolean;
  readonly spec: GroupSpec | undefined;
  readonly specRevision: number;
  readonly restartNeeded: readonly string[];
  readonly contracts: readonly string[];
  readonly inFlight: number;
  readonly held: number;
  readonly oldest: { sequence: number; sinceMs: number } | undefined;
  /** The mode it runs in; a changed one needs a restart. */
  readonly mode: MemberRecord["delivery"];
}

/** The member's record, as it is written with every heartbeat. */
export function memberRecord(config: WorkerConfig, stats: Stats, facts: RecordFacts): MemberRecord {
  const { oldest } = facts;
  const p50 = stats.percentile(0.5);
  const p99 = stats.percentile(0.99);
  return {
    v: 1,
    id: config.workerId,
    instance: facts.instance,
    language: "ts",
    core_version: coreVersion,
    app_version: config.version,
    host: hostname(),
    pid: process.pid,
    started_at: facts.startedAt,
    state: facts.state,
    degraded: facts.isDegraded,
    delivery: facts.mode,
    concurrency: facts.spec?.concurrency ?? 0,
    in_flight: facts.inFlight,
    held: facts.held,
    counts: { ...stats.counts },
    ...(p50 === undefined ? {} : { p50_ms: p50 }),
    ...(p99 === undefined ? {} : { p99_ms: p99 }),
    ...(stats.lastError === undefined ? {} : { last_error: stats.lastError }),
    spec_revision: facts.specRevision,
    contracts: [...facts.contracts],
    ...(oldest === undefined
      ? {}
      : { oldest: { sequence: oldest.sequence, since: isoTime(oldest.sinceMs) } }),
    restart_needed: [...facts.restartNeeded],
  };
}
