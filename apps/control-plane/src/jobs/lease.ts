// The hold on a job: one control plane works on it, and knows when it no longer does.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { asMusterError } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { isHeld, type ReplayJob } from "./job.ts";
import { findJob, putJob, type StoredJob } from "./store.ts";

/** How long a holder may be silent before another control plane takes its job. */
export const JOB_LEASE_MS = 10_000;

const RETRY_MS = 250;

/** Who takes a job, for how long at a time, and when it stops waiting for NATS. */
export type LeaseOptions = { holder: string; leaseMs: number; signal: AbortSignal };

/** Another control plane has the job, or nobody has: it was deleted. Nothing may be written any more. */
export class LeaseLost extends Error {}

/** A job in hand. Each write extends the lease, and fails with {@link LeaseLost} once it is another's. */
export class Lease {
  readonly #nats: Nats;
  readonly #leaseMs: number;
  readonly #holder: string;
  readonly #signal: AbortSignal;
  #stored: StoredJob;
  // Of both clocks, because either may jump or stand still while the process does.
  #until: { wall: number; steady: number };
  #isLost = false;
  #writing: Promise<unknown> = Promise.resolve();
  #turns = 0;

  private constructor(nats: Nats, stored: StoredJob, { holder, leaseMs, signal }: LeaseOptions) {
    this.#nats = nats;
    this.#stored = stored;
    this.#holder = holder;
    this.#leaseMs = leaseMs;
    this.#signal = signal;
    this.#until = { wall: 0, steady: 0 };
  }

  /** Takes a job that nobody has; nothing when somebody else was quicker. */
  static async take(nats: Nats, stored: StoredJob, options: LeaseOptions): Promise<Lease | undefined> {
    if (isHeld(stored.job, Date.now())) return undefined;
    const lease = new Lease(nats, stored, options);
    const since = now();
    const job = lease.#stamped(stored.job, randomUUID());
    const revision = await putJob(nats, job, stored.revision);
    if (revision === "conflict") return undefined;
    lease.#adopt({ job, revision }, since);
    return lease;
  }

  /** The job as it was last read or written. */
  get job(): ReplayJob {
    return this.#stored.job;
  }

  /** Whether the job is ours at this moment; nothing is begun when it is not. */
  get isOurs(): boolean {
    const { wall, steady } = now();
    return !this.#isLost && wall < this.#until.wall && steady < this.#until.steady;
  }

  /** What somebody else wrote into the job, as the bucket showed it. */
  notice(stored: StoredJob): void {
    if (stored.revision <= this.#stored.revision) return;
    if (stored.job.holder === this.#holder) this.#stored = stored;
    else this.#isLost = true;
  }

  /** Writes a change over what is there now, and extends the lease. One after the other. */
  async update(change: (job: ReplayJob) => ReplayJob): Promise<ReplayJob> {
    return await this.#inTurn(() => this.#write((job, write) => this.#stamped(change(job), write)));
  }

  /** Writes a last change and lets the job go. */
  async release(change: (job: ReplayJob) => ReplayJob = (job) => job): Promise<ReplayJob> {
    return await this.#inTurn(async () => {
      const job = await this.#write((before, write) => {
        const { holder: _, lease_until: __, ...rest } = change(before);
        return { ...rest, write, updated_at: new Date().toISOString() };
      });
      this.#isLost = true;
      return job;
    });
  }

  /** Extends the lease until the signal aborts. In an outage it tries on: nobody else can take the job then. */
  keep(signal: AbortSignal): void {
    const timer = setInterval(() => {
      if (this.#isLost) clearInterval(timer);
      else if (this.#turns === 0) void this.update((job) => job).catch(() => undefined);
    }, this.#leaseMs / 3);
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  async #write(change: (job: ReplayJob, write: string) => ReplayJob): Promise<ReplayJob> {
    // The same in every try: a write whose answer was lost must not be made twice.
    const write = randomUUID();
    for (;;) {
      if (this.#isLost) throw new LeaseLost();
      const since = now();
      const before = this.#stored;
      const job = change(before.job, write);
      const revision = await this.#untilAnswered(() => putJob(this.#nats, job, before.revision));
      if (revision !== "conflict") return this.#adopt({ job, revision }, since);
      const found = await this.#untilAnswered(() => findJob(this.#nats, before.job.id));
      if (found?.job.write === write) return this.#adopt(found, since);
      if (found?.job.holder !== this.#holder) {
        this.#isLost = true;
        throw new LeaseLost();
      }
      this.#stored = found;
    }
  }

  /** An outage is waited for: what came of the letters must not be forgotten with it. */
  async #untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const { code } = asMusterError(error) ?? {};
        // A server that has just come back may not know its streams yet.
        if (code !== "nats_down" && code !== "no_bucket") throw error;
        if (code === "no_bucket" && !this.isOurs) this.#isLost = true;
        if (this.#isLost || this.#signal.aborted || this.#nats.nc.isClosed()) throw new LeaseLost();
        await sleep(RETRY_MS, undefined, { signal: this.#signal }).catch(() => undefined);
      }
    }
  }

  #adopt(stored: StoredJob, since: { wall: number; steady: number }): ReplayJob {
    this.#stored = stored;
    this.#until = { wall: since.wall + this.#leaseMs, steady: since.steady + this.#leaseMs };
    return stored.job;
  }

  #stamped(job: ReplayJob, write: string): ReplayJob {
    const at = Date.now();
    return {
      ...job,
      holder: this.#holder,
      lease_until: new Date(at + this.#leaseMs).toISOString(),
      write,
      updated_at: new Date(at).toISOString(),
    };
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    this.#turns++;
    const turn = this.#writing.then(run, run);
    this.#writing = turn.catch(() => undefined);
    return await turn.finally(() => this.#turns--);
  }
}

function now(): { wall: number; steady: number } {
  return { wall: Date.now(), steady: performance.now() };
}
