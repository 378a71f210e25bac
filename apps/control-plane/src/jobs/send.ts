// Replays the letters of a chunk, many at a time, for as long as the job is ours and wanted.
import { asMusterError } from "../errors.ts";
import type { DeadLetter } from "../dead-letters/read.ts";
import { type ReplayHooks, type ReplayOutcome, replayOne } from "../dead-letters/replay.ts";
import { createTargets, type Target } from "../dead-letters/target.ts";
import { firstOf } from "./chunk.ts";
import { isActive, type OpenLetter } from "./job.ts";
import { Pace } from "./pace.ts";
import { type Tried, triedOf } from "./progress.ts";
import type { JobContext } from "./run.ts";

/** So many letters are under way at once. What bounds the rate is this process's one thread: 256 were no faster. */
const IN_FLIGHT = 128;

/** What is known of groups and their contracts is looked at anew after so long, in ms. */
const TARGETS_MS = 1000;

/** Sends letters at the job's pace. */
export class Sender {
  readonly #context: JobContext;
  #targets: { of: (group: string) => Promise<Target>; at: number } | undefined;
  readonly #hooks: ReplayHooks;
  readonly #pace: Pace;
  readonly #inFlight: number;

  constructor(context: JobContext, hooks: ReplayHooks) {
    const rate = context.lease.job.rate_per_second;
    this.#context = context;
    this.#pace = new Pace(rate);
    this.#inFlight = Math.min(IN_FLIGHT, Math.max(1, Math.ceil(rate ?? IN_FLIGHT)));
    this.#hooks = hooks;
  }

  /** Tries the letters in order; stops before the next one when the job is paused, ended or lost. */
  async send(letters: readonly DeadLetter[], open: readonly OpenLetter[]): Promise<Tried[]> {
    const { lease, signal } = this.#context;
    const targetOf = this.#targetsNow();
    const before = new Map(open.map((one) => [firstOf(one), one]));
    const tried: Tried[] = [];
    const queue = letters.values();
    let fault: { error: unknown } | undefined;
    const goesOn = () => fault === undefined && lease.isOurs && isActive(lease.job) && !signal.aborted;
    const work = async () => {
      while (await this.#pace.wait(goesOn)) {
        const letter = queue.next().value;
        if (letter === undefined) return this.#pace.giveBack();
        try {
          const outcome = await this.#one(letter, targetOf);
          // What is refused was not sent, and makes room for another.
          if (outcome.outcome !== "replayed") this.#pace.giveBack();
          tried.push(triedOf(letter, outcome, before.get(firstOf(letter))));
        } catch (error) {
          fault ??= { error };
        }
      }
    };
    await Promise.all(Array.from({ length: this.#inFlight }, work));
    if (fault !== undefined) throw fault.error;
    return tried;
  }

  /** A chunk takes less than a second, and looking at a hundred groups for each would take longer than the chunk. */
  #targetsNow(): (group: string) => Promise<Target> {
    const { nats, ledgers, lease } = this.#context;
    if (this.#targets === undefined || performance.now() - this.#targets.at > TARGETS_MS)
      this.#targets = { of: createTargets(nats, ledgers(), lease.job.stream), at: performance.now() };
    return this.#targets.of;
  }

  async #one(letter: DeadLetter, targetOf: (group: string) => Promise<Target>): Promise<ReplayOutcome> {
    try {
      const { force } = this.#context.lease.job;
      return await replayOne(
        this.#context.nats,
        letter,
        await targetOf(letter.group),
        { force },
        this.#hooks,
      );
    } catch (error) {
      const known = asMusterError(error);
      if (known === undefined) throw error;
      return { id: letter.id, outcome: "failed", code: known.code, error: known.message };
    }
  }
}
