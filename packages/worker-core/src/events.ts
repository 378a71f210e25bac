import { EventEmitter } from "node:events";
import type { GroupSpec } from "@muster/contracts";
import type { Settled } from "./ends.ts";
import type { Logger } from "./log.ts";

/** What a worker tells, by event. */
export interface WorkerEvents {
  /** It is a member now. */
  joined: [];
  /** It has left, in whatever way; `closed` says which. */
  left: [];
  /** Something it depends on does not answer, or the breaker has opened: it takes no messages. */
  degraded: [{ error: string }];
  recovered: [];
  /** The group's spec is there, or has changed. */
  spec: [GroupSpec];
  paused: [];
  resumed: [];
  /** A delivery has ended. */
  settled: [Settled];
  /** The pull had gone silent while messages waited, and was made again. */
  stalled: [];
}

/** Tells listeners; one that throws is logged and stops nothing. */
export class Events {
  // oxlint-disable-next-line unicorn/prefer-event-target -- one object per event is too much for each message
  readonly #emitter = new EventEmitter();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  on<E extends keyof WorkerEvents>(event: E, listener: (...args: WorkerEvents[E]) => void): void {
    this.#emitter.on(event, listener);
  }

  emit<E extends keyof WorkerEvents>(event: E, ...args: WorkerEvents[E]): void {
    try {
      this.#emitter.emit(event, ...args);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.error({ code: "listener_failed", event, error: text }, "listener failed");
    }
  }

  /** True when somebody wants to hear of every delivery. */
  get hasSettledListener(): boolean {
    return this.#emitter.listenerCount("settled") > 0;
  }
}
