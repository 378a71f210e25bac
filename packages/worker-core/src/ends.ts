import type { DeadLetterReason, GroupSpec } from "@muster/contracts";
import { MusterError } from "@muster/contracts";
import type { Attempts, AttemptsStore } from "./attempts.ts";
import type { Handled } from "./context.ts";
import type { DeadLetters } from "./dead-letter.ts";
import type { Events } from "./events.ts";
import type { Held, Hold } from "./hold.ts";
import type { Ledger, LedgerTransaction, LookUp } from "./ledger/ledger.ts";
import type { Logger } from "./log.ts";
import type { Outcome, Stats } from "./stats.ts";

/** The points of a delivery a test may want to stop at. */
export type Step = "received" | "row_done" | "row_dead" | "dead_lettered" | "attempt_recorded";

/** What is known of a delivery on its way. */
export interface Delivery extends Handled {
  readonly held: Held;
  lookUp: LookUp;
  attempts: Attempts | undefined;
  contract: string;
  /** Wall clock at the handler's start. */
  startedAt: number;
  tx: LedgerTransaction | undefined;
}

/** How a delivery ended. */
export interface Settled {
  readonly outcome: Outcome;
  readonly sequence: number;
  readonly eventId: string;
  readonly attempt: number;
  /** Of a dead letter. */
  readonly reason?: DeadLetterReason | undefined;
}

/** What settling works with. */
export interface SettleParts {
  readonly hold: Hold;
  readonly ledger: Ledger;
  readonly attempts: AttemptsStore;
  readonly deadLetters: DeadLetters;
  readonly spec: () => GroupSpec;
  readonly ends: Ends;
  /** Uniform in [0, 1), for the jitter. */
  readonly random: () => number;
}

type EndFields = { error?: string; reason?: DeadLetterReason; delay_ms?: number };

/** Tells what became of a delivery: counts, the log, whoever listens. */
export class Ends {
  readonly #stats: Stats;
  readonly #log: Logger;
  readonly #events: Events;
  readonly #onStep: ((step: Step, delivery: { sequence: number; eventId: string }) => void) | undefined;
  readonly #onAttempt: ((failed: boolean) => void) | undefined;
  readonly #isDebug: boolean;

  /** `onAttempt`: an attempt of a handler has ended; a permanent failure is not counted as failed. */
  constructor(parts: {
    stats: Stats;
    log: Logger;
    events: Events;
    onAttempt?: ((failed: boolean) => void) | undefined;
    onStep?: ((step: Step, delivery: { sequence: number; eventId: string }) => void) | undefined;
  }) {
    this.#stats = parts.stats;
    this.#log = parts.log;
    this.#events = parts.events;
    this.#onStep = parts.onStep;
    this.#onAttempt = parts.onAttempt;
    this.#isDebug = parts.log.isLevelEnabled("debug");
  }

  /** The delivery passes a step, for tests. */
  step(step: Step, message: { sequence: number; eventId: string }): void {
    this.#onStep?.(step, message);
  }

  /** The delivery has ended. */
  end(delivery: Handled & { held?: Held }, outcome: Outcome, fields: EndFields = {}): void {
    this.#stats.count(outcome, fields.reason);
    if (fields.error !== undefined) {
      this.#stats.lastError = fields.error;
    }
    const { message, attempt, held } = delivery;
    if (held !== undefined) {
      this.#stats.settled(performance.now() - held.receivedAt);
    }
    if (delivery.isStarted === true) {
      this.#tellAttempt(outcome, fields.reason);
    }
    if (this.#events.hasSettledListener) {
      const { sequence, eventId } = message;
      this.#events.emit("settled", { outcome, sequence, eventId, attempt, reason: fields.reason });
    }
    if (outcome !== "dead" && !this.#isDebug) {
      return;
    }
    this.#log[outcome === "dead" ? "warn" : "debug"](
      {
        seq: message.sequence,
        event_id: message.eventId,
        delivery: message.delivered,
        attempt,
        outcome,
        ...fields,
      },
      outcome === "dead" ? "dead letter" : "settled",
    );
  }

  #tellAttempt(outcome: Outcome, reason: DeadLetterReason | undefined): void {
    if (outcome === "retry" || reason === "exhausted") {
      this.#onAttempt?.(true);
    } else if (outcome === "done" || reason === "permanent") {
      this.#onAttempt?.(false);
    }
  }
}

/** Two writers keep overtaking each other: given back, and tried again later. */
export function changing(delivery: Delivery): MusterError {
  return new MusterError(
    "unreachable",
    `event ${delivery.message.eventId}: its row or record keeps changing`,
  );
}
