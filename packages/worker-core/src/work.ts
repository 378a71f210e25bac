import type { GroupSpec } from "@muster/contracts";
import { MusterError } from "@muster/contracts";
import type { Base } from "./base.ts";
import { Breaker } from "./breaker.ts";
import { Ends, type Step } from "./ends.ts";
import type { Events } from "./events.ts";
import { openLedger } from "./ledger/open.ts";
import type { Metrics } from "./metrics.ts";
import type { AnyHandler, Mode } from "./mode.ts";
import { openMode } from "./mode.ts";
import { Outage } from "./outage.ts";
import { whatIsNotPromised, whyUnsupported } from "./spec-check.ts";
import type { Stats } from "./stats.ts";
import { Watchdog } from "./watchdog.ts";

/** What the work of a member needs. */
export interface WorkParts {
  readonly base: Base;
  readonly handler: AnyHandler;
  readonly stats: Stats;
  readonly metrics: Metrics;
  readonly events: Events;
  /** Silence of a pull, in milliseconds, that the watchdog looks into. */
  readonly stallMs: number;
  /** False while the member has not joined, is paused, drains, or has no spec. */
  readonly isWanted: () => boolean;
  readonly onStep: ((step: Step, message: { sequence: number; eventId: string }) => void) | undefined;
}

/**
 * What takes messages, once there is a spec it can work by: the delivery mode with its ledger, and what holds it
 * back, an outage, the breaker, or a watchdog that sees it stall.
 */
export class Work {
  readonly #parts: WorkParts;
  readonly #breaker: Breaker;
  readonly #outage: Outage;
  readonly #stop = new AbortController();
  #mode: Mode | undefined;
  #watchdog: Watchdog | undefined;
  #said = "";

  constructor(parts: WorkParts) {
    const { base, events } = parts;
    this.#parts = parts;
    this.#breaker = new Breaker(
      () => base.spec.last?.breaker,
      (isOpen) => this.#onBreaker(isOpen),
    );
    this.#outage = new Outage({
      isReachable: async () => (await this.#mode?.ledger.isReachable()) ?? true,
      onRecovered: () => {
        events.emit("recovered");
        this.wake();
      },
      log: base.log,
      signal: this.#stop.signal,
    });
  }

  /** Undefined until there was a spec that can be used; it stays the same for the life of the process. */
  get mode(): Mode | undefined {
    return this.#mode;
  }

  get isBreakerOpen(): boolean {
    return this.#breaker.isOpen;
  }

  /** True while it takes nothing because something does not answer or too much fails. */
  get isDegraded(): boolean {
    return this.#outage.isOn || this.#breaker.isOpen;
  }

  /** Opens the mode that the spec asks for, or says what stands in the way and is asked again. */
  async open(spec: GroupSpec): Promise<void> {
    const { base, metrics } = this.#parts;
    const why = whyUnsupported(spec, base.config);
    if (why !== undefined) {
      this.#say("unsupported_spec", why);
      return;
    }
    try {
      const ledger = await openLedger(spec, base, metrics);
      if (this.#stop.signal.aborted) {
        await ledger.close();
        return;
      }
      this.#begin(spec, ledger);
    } catch (error) {
      const code = error instanceof MusterError ? error.code : "internal";
      this.#say(code, error instanceof Error ? error.message : String(error));
    }
  }

  /** Something may have changed: a pause, the concurrency, the membership. */
  wake(): void {
    this.#mode?.intake.pump();
    this.#mode?.source.wake();
  }

  /** Stops taking messages, gives back what was not started, and resolves when all handlers have ended. */
  async drain(): Promise<void> {
    const mode = this.#mode;
    if (mode !== undefined) {
      // Unsubscribed first: what is given back must not be pushed to us again, or, when we are gone, to nobody.
      mode.intake.stop();
      await mode.source.drain();
      await mode.intake.drain();
    }
  }

  /** Aborts the signals of the handlers that run. */
  abort(why: string): void {
    this.#mode?.handlers.abort(new Error(why));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#watchdog?.close();
    this.#breaker.close();
    await this.#mode?.close();
  }

  #begin(spec: GroupSpec, ledger: Mode["ledger"]): void {
    const { base, handler, stats, metrics } = this.#parts;
    for (const { code, limit } of whatIsNotPromised(spec)) {
      base.log.warn({ code, limit }, "not promised");
    }
    this.#said = "";
    this.#mode = openMode(spec.delivery.mode, {
      base,
      ledger,
      handler,
      stats,
      ends: this.#ends(),
      spec: () => base.spec.last ?? spec,
      mayPull: () => this.#mayPull(),
      onUnreachable: (error) => this.#onUnreachable(error),
      onQueueLost: () => metrics.queueLost(),
    });
    this.#watch(this.#mode);
  }

  #mayPull(): boolean {
    return this.#parts.isWanted() && !this.isDegraded;
  }

  #ends(): Ends {
    const { base, stats, events, onStep } = this.#parts;
    const onAttempt = (failed: boolean): void => this.#breaker.attemptEnded(failed);
    return new Ends({ stats, log: base.log, events, onStep, onAttempt });
  }

  #watch({ pull }: Mode): void {
    const { base, metrics, events, stallMs } = this.#parts;
    if (pull !== undefined) {
      const { wire, config, log } = base;
      const onStalled = (): void => {
        metrics.pullRecreated();
        events.emit("stalled");
      };
      const isPullWanted = (): boolean => this.#mayPull();
      this.#watchdog = new Watchdog({ wire, config, log, pull, stallMs, isPullWanted, onStalled });
    }
  }

  #onUnreachable(error: Error): void {
    const { stats, events } = this.#parts;
    stats.lastError = error.message;
    if (this.#outage.begin(error)) {
      events.emit("degraded", { error: error.message });
      this.wake();
    }
  }

  #onBreaker(isOpen: boolean): void {
    const { base, events } = this.#parts;
    if (isOpen) {
      base.log.warn({ code: "breaker_open" }, "degraded");
      events.emit("degraded", { error: "too many attempts fail" });
    } else {
      base.log.info({ code: "breaker_closed" }, "recovered");
      events.emit("recovered");
    }
    this.wake();
  }

  #say(code: string, error: string): void {
    // Once for each revision: who mends the spec and still has it wrong is told again.
    const said = `${this.#parts.base.spec.revision} ${error}`;
    if (this.#said !== said) {
      this.#said = said;
      const message = code === "unreachable" ? "ledger cannot be opened" : "spec cannot be used";
      this.#parts.base.log.error({ code, error }, message);
    }
  }
}
