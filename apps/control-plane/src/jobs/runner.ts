// Takes jobs that nobody has in hand and runs them, as long as the control plane lives.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { asMusterError } from "../errors.ts";
import type { Database } from "../ledger/database.ts";
import { Ledgers } from "../ledger/ledgers.ts";
import type { Log } from "../log.ts";
import type { Nats, NatsLink } from "../nats/connection.ts";
import { isActive, isEnded, isHeld } from "./job.ts";
import { JOB_LEASE_MS, Lease } from "./lease.ts";
import { runJob } from "./run.ts";
import { listJobs, type StoredJob } from "./store.ts";

const POLL_MS = 500;
/** So many jobs run here at once; others wait, or another control plane takes them. */
const MOST_JOBS = 8;

/** Runs jobs until it is closed. */
export class JobRunner {
  readonly #link: NatsLink;
  readonly #database: Database | undefined;
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #running = new Map<string, { lease: Lease; ended: Promise<void> }>();
  readonly #polling: Promise<void>;

  constructor(link: NatsLink, database: Database | undefined, log: Log) {
    this.#link = link;
    this.#database = database;
    this.#log = log;
    this.#polling = this.#poll();
  }

  /** Finishes the letters under way and lets the jobs go, for another control plane to take. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#polling;
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        if (this.#link.isUp) await this.#look(this.#link.current());
      } catch (error) {
        if (asMusterError(error) === undefined)
          this.#log.error({ error: String(error) }, "jobs cannot be read");
        else this.#log.debug({ error: String(error) }, "jobs cannot be read");
      }
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(nats: Nats): Promise<void> {
    // The oldest first, when there are more than can be run.
    for (const stored of (await listJobs(nats)).toReversed()) {
      const mine = this.#running.get(stored.job.id);
      if (mine !== undefined) mine.lease.notice(stored);
      else if (isActive(stored.job) && !isHeld(stored.job, Date.now())) await this.#take(nats, stored);
    }
  }

  async #take(nats: Nats, stored: StoredJob): Promise<void> {
    if (this.#running.size >= MOST_JOBS || this.#stop.signal.aborted) return;
    const holder = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
    const lease = await Lease.take(nats, stored, {
      holder,
      leaseMs: JOB_LEASE_MS,
      signal: this.#stop.signal,
    });
    if (lease === undefined) return;
    const { id } = stored.job;
    const before = stored.job.holder;
    this.#log.info({ job: id, holder, ...(before === undefined ? {} : { before }) }, "job taken");
    const ended = this.#run(nats, lease).finally(() => this.#running.delete(id));
    this.#running.set(id, { lease, ended });
  }

  async #run(nats: Nats, lease: Lease): Promise<void> {
    const { id } = lease.job;
    const ledgers = () => new Ledgers(nats, this.#database);
    try {
      await runJob({ nats, ledgers, lease, signal: this.#stop.signal });
      const { state, reason, counts } = lease.job;
      this.#log.info({ job: id, state, counts, ...(reason === undefined ? {} : { reason }) }, "job left");
    } catch (error) {
      // A fault of ours: taken again it would only happen again, here or elsewhere.
      this.#log.error({ job: id, error: String(error), stack: (error as Error).stack }, "job broke");
      const reason = {
        code: "internal_error",
        message: "internal error; the log of the control plane that had it says more",
      };
      await lease
        .release((job) =>
          isEnded(job) ? job : { ...job, state: "failed", reason, ended_at: new Date().toISOString() },
        )
        .catch(() => undefined);
    }
  }
}
