import type { WorkerConfig } from "./config.ts";
import type { Logger } from "./log.ts";
import type { Pull } from "./pull.ts";
import type { Wire } from "./wire.ts";

/** What the watchdog looks at. */
export interface WatchdogParts {
  readonly wire: Wire;
  readonly config: WorkerConfig;
  readonly pull: Pull;
  /** False while the member takes nothing for a good reason. */
  readonly isPullWanted: () => boolean;
  readonly onStalled: () => void;
  readonly log: Logger;
  /** Silence that is looked into. Default 30 s. */
  readonly stallMs: number;
}

/** What the server says of a consumer, as far as it matters here. */
interface ConsumerState {
  readonly isPaused: boolean;
  readonly pending: number;
  readonly hasRoom: boolean;
}

const decoder = new TextDecoder();
const looksPerStall = 3;

/**
 * Looks after a pull that has gone silent: clients have seen pulls stall after a leader change although messages
 * wait. It asks the consumer first, because silence is right when nothing waits, when it is paused, or when
 * max_ack_pending is used up.
 */
export class Watchdog {
  readonly #parts: WatchdogParts;
  readonly #timer: NodeJS.Timeout;
  #isLooking = false;
  #said = "";

  constructor(parts: WatchdogParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.#look(), parts.stallMs / looksPerStall);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const { pull, isPullWanted, stallMs, onStalled, log } = this.#parts;
    const isSilent = performance.now() - pull.lastMessageAt > stallMs;
    if (this.#isLooking || !isSilent || !isPullWanted() || pull.outstanding === 0) {
      return;
    }
    this.#isLooking = true;
    try {
      const state = await this.#ask();
      const isStillSilent = performance.now() - pull.lastMessageAt > stallMs;
      if (isStillSilent && isPullWanted() && state.pending > 0 && !state.isPaused && state.hasRoom) {
        log.warn({ code: "pull_stalled" }, "pull stalled");
        // Counted from now: what the new pull brings takes a moment.
        pull.lastMessageAt = performance.now();
        pull.recreate();
        onStalled();
      }
      this.#said = "";
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (text !== this.#said) {
        this.#said = text;
        log.warn({ code: "consumer_unknown", error: text }, "consumer not seen");
      }
    }
    this.#isLooking = false;
  }

  async #ask(): Promise<ConsumerState> {
    const { wire, config } = this.#parts;
    const msg = await wire.request(`${config.apiPrefix}.CONSUMER.INFO.${config.stream}.${config.group}`, "");
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every field may be missing
    const info = JSON.parse(decoder.decode(msg.data)) as {
      error?: { description?: string };
      paused?: boolean;
      num_pending?: number;
      num_ack_pending?: number;
      config?: { max_ack_pending?: number };
    };
    if (info.error !== undefined) {
      throw new Error(`consumer ${config.group} of ${config.stream}: ${info.error.description ?? "unknown"}`);
    }
    const most = info.config?.max_ack_pending ?? -1;
    return {
      isPaused: info.paused === true,
      pending: info.num_pending ?? 0,
      hasRoom: most <= 0 || (info.num_ack_pending ?? 0) < most,
    };
  }
}
