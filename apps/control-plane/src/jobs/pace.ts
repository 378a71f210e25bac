// Lets so many through in a second.
import { setTimeout as sleep } from "node:timers/promises";

// A timer that fires late is made up for, but only so far: no burst after a standstill.
const MOST_BEHIND_MS = 100;
// How long one that waits does not ask whether it still has to.
const ASK_MS = 200;

/** One place a call, `perSecond` of them, given in order; without a rate at once. */
export class Pace {
  readonly #everyMs: number;
  #nextAt = 0;

  constructor(perSecond: number | undefined) {
    this.#everyMs = perSecond === undefined ? 0 : 1000 / perSecond;
  }

  /** Waits for its place; false when `goesOn` has become so meanwhile. */
  async wait(goesOn: () => boolean): Promise<boolean> {
    if (this.#everyMs === 0 || !goesOn()) return goesOn();
    const at = Math.max(this.#nextAt, performance.now() - Math.min(MOST_BEHIND_MS, this.#everyMs));
    this.#nextAt = at + this.#everyMs;
    for (let left = at - performance.now(); left > 0; left = at - performance.now()) {
      await sleep(Math.min(left, ASK_MS));
      if (!goesOn()) {
        this.giveBack();
        return false;
      }
    }
    return true;
  }

  /** Gives back a place that was not needed. */
  giveBack(): void {
    this.#nextAt -= this.#everyMs;
  }
}
