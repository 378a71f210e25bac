// Works on one job in hand until it ends, is paused, or is another's. Every step may be the last one before a crash.
import { setTimeout as sleep } from "node:timers/promises";
import { writeAudit } from "../access/audit.ts";
import { asMusterError } from "../errors.ts";
import type { ReplayStep } from "../dead-letters/replay.ts";
import type { Ledgers } from "../ledger/ledgers.ts";
import type { Nats } from "../nats/connection.ts";
import { CameBack } from "./came-back.ts";
import { CanaryWatch, whyFailed } from "./canary.ts";
import { Chunks } from "./chunk.ts";
import { isActive, isEnded, needsCanaries, type ReplayJob } from "./job.ts";
import { type Lease, LeaseLost } from "./lease.ts";
import { LetterNotes } from "./letters.ts";
import { counted, noted, type Tried } from "./progress.ts";
import { Sender } from "./send.ts";
import { whatIsThere } from "./there.ts";

/** The points between the steps of a job; those of each letter's replay come in between. */
export type JobStep = ReplayStep | "noted" | "counted" | "canaries_sent" | "ended";

/** Times, and a hook between the steps; for tests. */
export type JobHooks = {
  /** How often open letters, canaries and an outage are looked at again; default 500 ms. */
  pollMs?: number;
  /** Of the claim on each letter. */
  claimLeaseMs?: number;
  /** Awaited after each step; what it throws ends the run there, as a crash would. */
  onStep?: (step: JobStep) => void | Promise<void>;
};

/** What a run works with. */
export type JobContext = {
  nats: Nats;
  /** What is known of ledgers, anew: a run lasts longer than a request. */
  ledgers: () => Ledgers;
  lease: Lease;
  /** Aborts when the control plane stops: letters under way are finished, the job is let go. */
  signal: AbortSignal;
};

/** So many letters that were not sent one after the other, and the job stops: what is wrong is not the letters. */
const MOST_FAILURES_IN_ROW = 100;
const POLL_MS = 500;

/**
 * Runs the job. A chunk of letters is noted, sent, and counted, in this order, and the cursor moves with the count. After
 * a crash
 * - behind the note, the next holder reads the noted letters again: those that are gone were sent, the others are sent
 *   now, or when the claim of the one that was killed has ended;
 * - behind the count, it goes on with the next chunk.
 * What it throws is a fault of the program (or a test's crash).
 */
export async function runJob(context: JobContext, hooks: JobHooks = {}): Promise<void> {
  const { lease, signal } = context;
  const { pollMs = POLL_MS } = hooks;
  const run = new Run(context, { ...hooks, pollMs });
  const kept = new AbortController();
  lease.keep(kept.signal);
  try {
    while (!signal.aborted && isActive(lease.job)) {
      try {
        if ((await run.step()) === "wait") await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      } catch (error) {
        if (asMusterError(error) === undefined) throw error;
        // NATS or a database is away. When it is back the job may be another's.
        if (!lease.isOurs) return;
        run.readAnew();
        await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      }
    }
    await lease.release();
  } catch (error) {
    // Not ours any more, or NATS is away while we stop: the lease ends by itself.
    if (!(error instanceof LeaseLost) && asMusterError(error) === undefined) throw error;
  } finally {
    kept.abort();
  }
}

class Run {
  readonly #context: JobContext;
  readonly #onStep: (step: JobStep) => void | Promise<void>;
  readonly #pollMs: number;
  readonly #sender: Sender;
  readonly #notes: LetterNotes;
  #chunks: Chunks | undefined;
  #watch: CanaryWatch | undefined;
  #cameBack: CameBack | undefined;
  #againAt = 0;
  #failures: Tried[] = [];

  constructor(
    context: JobContext,
    { onStep = () => undefined, pollMs, claimLeaseMs }: JobHooks & { pollMs: number },
  ) {
    this.#context = context;
    this.#onStep = onStep;
    this.#pollMs = pollMs;
    this.#notes = new LetterNotes(context.nats);
    this.#sender = new Sender(context, {
      onStep,
      ...(claimLeaseMs === undefined ? {} : { leaseMs: claimLeaseMs }),
    });
  }

  /** After an outage: what was read ahead may be no more. */
  readAnew(): void {
    this.#chunks = undefined;
  }

  /** One chunk, or one look at the canaries. "wait": nothing to do just now. */
  async step(): Promise<"on" | "wait"> {
    const { lease, nats } = this.#context;
    if (lease.job.state === "waiting_for_canary") return await this.#lookAtCanaries();
    const { window, open } = lease.job;
    if (needsCanaries(lease.job) === 0 && window === undefined && open.length === 0)
      return await this.#waitForCanaries();
    this.#chunks ??= new Chunks(nats, lease.job);
    const isDue = performance.now() >= this.#againAt;
    const { letters, again, gone } = await this.#chunks.next(lease.job, isDue);
    const there = await whatIsThere(nats, this.#context.ledgers(), lease.job);
    if ("code" in there) return await this.#end("failed", there);
    if (letters.length + again.length + gone.length === 0 && lease.job.window === undefined)
      return lease.job.open.length > 0 ? "wait" : await this.#nothingLeft();
    if (isDue) this.#againAt = performance.now() + 2 * this.#pollMs;

    await lease.update((job) => noted(job, { letters, again, lastSequence: there.lastSequence }));
    await this.#notes.note(lease.job, letters);
    await this.#onStep("noted");
    const sent = await this.#sender.send([...again, ...letters], lease.job.open);
    const tried = [...gone, ...sent];
    await lease.update((job) => counted(job, { letters, again, tried }));
    await this.#notes.count(lease.job, tried);
    // Stopped in the middle, which a pause that is over again does too: the rest is read once more.
    if (sent.length < again.length + letters.length) this.readAnew();
    await this.#onStep("counted");
    const ended = (await this.#stopOnFailures(sent)) ?? (await this.#stopOnShare());
    return ended ?? (letters.length === 0 ? "wait" : "on");
  }

  async #stopOnShare(): Promise<"on" | undefined> {
    const { nats, lease } = this.#context;
    const reason = await (this.#cameBack ??= new CameBack(nats, lease.job)).tooMany(lease.job);
    return reason === undefined ? undefined : await this.#end("failed", reason);
  }

  async #stopOnFailures(sent: readonly Tried[]): Promise<"on" | undefined> {
    for (const one of sent) {
      if (one.outcome.outcome === "replayed") this.#failures = [];
      else if (isInVain(one)) this.#failures.push(one);
    }
    const last = this.#failures.at(-1)?.outcome;
    if (this.#failures.length < MOST_FAILURES_IN_ROW || last?.outcome !== "failed") return undefined;
    return await this.#end("failed", {
      code: "too_many_failures",
      message: `the last ${this.#failures.length} letters could not be sent and lie where they lay, the last one because ${last.error} (${last.code}); mend that and create a job for what is left`,
    });
  }

  async #nothingLeft(): Promise<"on"> {
    const { canaries, canary, canary_passed } = this.#context.lease.job;
    const isWatched = canary !== undefined && !canary_passed && canaries.length > 0;
    return isWatched ? await this.#waitForCanaries() : await this.#end("done");
  }

  async #waitForCanaries(): Promise<"on"> {
    await this.#context.lease.update((job) =>
      isActive(job) ? { ...job, state: "waiting_for_canary" } : job,
    );
    await this.#onStep("canaries_sent");
    return "on";
  }

  async #lookAtCanaries(): Promise<"on" | "wait"> {
    const { lease, nats, ledgers } = this.#context;
    this.#watch ??= new CanaryWatch(nats, ledgers, lease.job);
    const before = lease.job.canaries;
    const canaries = await this.#watch.look(before);
    const failed = whyFailed(canaries);
    if (failed !== undefined) {
      await lease.update((job) => ({ ...job, canaries }));
      return await this.#end("failed", failed);
    }
    const isPassed = canaries.length > 0 && canaries.every(({ outcome }) => outcome === "done");
    // One was not sent after all, by a holder that was killed: another one goes instead.
    const isShort = canaries.length < before.length;
    if (!isPassed && !isShort && canaries.every(({ outcome }, i) => outcome === before[i]?.outcome))
      return "wait";
    await lease.update((job) => ({
      ...job,
      canaries,
      canary_passed: isPassed,
      state: job.state === "waiting_for_canary" && (isPassed || isShort) ? "running" : job.state,
    }));
    return "on";
  }

  /** An operator may have cancelled it meanwhile: that stands. */
  async #end(state: "done" | "failed", reason?: { code: string; message: string }): Promise<"on"> {
    const { lease, nats } = this.#context;
    const ended_at = new Date().toISOString();
    const job = await lease.update((now) =>
      isEnded(now) ? now : { ...now, state, ended_at, ...(reason === undefined ? {} : { reason }) },
    );
    await this.#onStep("ended");
    await auditEnd(nats, job);
    return "on";
  }
}

/** A group that is gone is no reason to leave the letters of others. */
function isInVain({ outcome, isSettled }: Tried): boolean {
  return isSettled && outcome.outcome === "failed" && outcome.code !== "no_group";
}

/** Nothing depends on it: who created the job is in the audit already. */
async function auditEnd(nats: Nats, { id, created_by, state, reason, counts }: ReplayJob): Promise<void> {
  await writeAudit(nats, {
    actor: { ...created_by, role: "operator" },
    action: "jobs.end",
    request_id: id,
    outcome: state === "failed" ? "failed" : "done",
    ...(reason === undefined ? {} : { code: reason.code, error: reason.message }),
    after: { state, counts },
  }).catch(() => undefined);
}
