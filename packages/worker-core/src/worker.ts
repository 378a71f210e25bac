import type { MemberRecord } from "@muster/contracts";
import type { ZodType } from "zod";
import { withConcerns } from "./concerns.ts";
import type { WorkerEvents } from "./events.ts";
import { join } from "./join.ts";
import { close, drain } from "./leave.ts";
import { Life } from "./life.ts";
import { createLog } from "./log.ts";
import type { WorkerEnd, WorkerOptions } from "./worker-options.ts";

const defaultStallMs = 30_000;

/** One member of a group. */
export class Worker<T extends ZodType = ZodType> {
  readonly #life: Life;

  constructor(options: WorkerOptions<T>) {
    const { config, confirmAcks = false, middleware = [], stallMs = defaultStallMs, onStep } = options;
    const log = options.log ?? createLog(config);
    const handler = withConcerns(options, middleware, config.group);
    this.#life = new Life({ config, log, handler, confirmAcks, stallMs, onStep });
  }

  /** Resolves when the worker has left, however that came. */
  get closed(): Promise<WorkerEnd> {
    return this.#life.end.promise;
  }

  get state(): MemberRecord["state"] {
    return this.#life.state;
  }

  /** Port of /metrics, /livez and /readyz; undefined where there is none. */
  get httpPort(): number | undefined {
    return this.#life.http?.port;
  }

  /** Calls back at each event, see {@link WorkerEvents}. A listener that throws is logged and stops nothing. */
  on<E extends keyof WorkerEvents>(event: E, listener: (...args: WorkerEvents[E]) => void): this {
    this.#life.events.on(event, listener);
    return this;
  }

  /**
   * Connects and joins. Returns when joined, or when the group is not there yet and is waited for.
   * Throws a MusterError `port_in_use` where its HTTP port is taken.
   */
  start(): Promise<void> {
    this.#life.starting ??= join(this.#life);
    return this.#life.starting;
  }

  /** Stops taking messages, lets handlers finish within the grace, leaves. Idempotent; also before `start`. */
  drain(): Promise<void> {
    return drain(this.#life);
  }

  /** Aborts the handlers and leaves at once. */
  async kill(): Promise<void> {
    this.#life.work?.abort("worker was forced to stop");
    this.#life.end.resolve({ reason: "forced" });
    await close(this.#life);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }
}
