import { delay } from "./clock.ts";
import type { Logger } from "./log.ts";

const reachableEveryMs = 1000;

/** A dependency that does not answer: the member takes no messages until it does, asked every second. */
export class Outage {
  readonly #parts: {
    readonly isReachable: () => Promise<boolean>;
    readonly onRecovered: () => void;
    readonly log: Logger;
    readonly signal: AbortSignal;
  };
  #isOn = false;

  constructor(parts: {
    isReachable: () => Promise<boolean>;
    onRecovered: () => void;
    log: Logger;
    signal: AbortSignal;
  }) {
    this.#parts = parts;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** Something did not answer. False when that is known already. */
  begin(error: Error): boolean {
    if (this.#isOn) {
      return false;
    }
    this.#isOn = true;
    this.#parts.log.warn({ code: "unreachable", error: error.message }, "degraded");
    void this.#waitUntilOver();
    return true;
  }

  async #waitUntilOver(): Promise<void> {
    const { isReachable, onRecovered, log, signal } = this.#parts;
    do {
      await delay(reachableEveryMs, signal);
      if (signal.aborted) {
        return;
      }
    } while (!(await isReachable()));
    this.#isOn = false;
    log.info("recovered");
    onRecovered();
  }
}
