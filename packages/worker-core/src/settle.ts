import type { AttemptsRecord, DeadLetterReason, GroupSpec } from "@muster/contracts";
import { backoffDelayMs, MusterError } from "@muster/contracts";
import type { Attempts, AttemptsStore } from "./attempts.ts";
import type { DeadLetters, Failure } from "./dead-letter.ts";
import { describeError, PermanentError, RetryableError, Snooze } from "./errors.ts";
import type { Held, Hold } from "./hold.ts";
import type { Ledger, LookUp } from "./ledger.ts";
import type { Logger } from "./log.ts";
import { encodeResult } from "./result.ts";
import type { Stats } from "./stats.ts";

/** The points of a delivery a test may want to stop at. */
export type Step = "received" | "row_done" | "row_dead" | "dead_lettered" | "attempt_recorded";

/** What is known of a delivery on its way. */
export interface Delivery {
  readonly held: Held;
  lookUp: LookUp;
  /** Undefined until it was needed. */
  attempts: Attempts | undefined;
  contract: string;
  /** The attempt the handler is in, 1-based. */
  attempt: number;
  /** Wall clock at the handler's start. */
  startedAt: number;
}

/** What the settlement works with. */
export interface SettleParts {
  readonly hold: Hold;
  readonly ledger: Ledger;
  readonly attempts: AttemptsStore;
  readonly deadLetters: DeadLetters;
  readonly spec: () => GroupSpec;
  readonly stats: Stats;
  readonly log: Logger;
  readonly onStep: (step: Step, delivery: { sequence: number; eventId: string }) => void;
  readonly random: () => number;
}

const conflict: Failure = {
  reason: "conflict",
  errorClass: "Conflict",
  error: "event id was already settled with another body",
};

/**
 * Ends deliveries: first what is durable, then the message, then cleaning up, so that a kill between
 * two steps leaves a message that the next member finishes. Methods throw `unreachable`.
 */
export class Settlement {
  readonly #parts: SettleParts;

  constructor(parts: SettleParts) {
    this.#parts = parts;
  }

  /** The handler returned. */
  async returned(delivery: Delivery, value: unknown): Promise<void> {
    const result = encodeResult(value);
    if (!result.ok) {
      return this.#failedForGood(delivery, {
        reason: "permanent",
        errorClass: "InvalidResult",
        error: result.error,
      });
    }
    for (let round = 1; round <= 2; round++) {
      if (
        await this.#parts.ledger.write(delivery.held.message, delivery.lookUp, {
          status: "done",
          result: result.value,
        })
      ) {
        this.#step("row_done", delivery);
        this.#parts.hold.ack(delivery.held);
        this.#end(delivery, "done");
        await this.#parts.attempts.delete(delivery.held.message, delivery.attempts);
        return;
      }
      if (await this.#isDecidedElsewhere(delivery)) {
        return;
      }
    }
    throw changing(delivery);
  }

  /** The handler returned after its deadline, when the message had been given back already. */
  async returnedLate(delivery: Delivery, value: unknown): Promise<void> {
    const { ledger, hold, attempts } = this.#parts;
    const { message } = delivery.held;
    const result = encodeResult(value);
    if (!result.ok) {
      return;
    }
    for (let round = 1; round <= 2; round++) {
      if (await ledger.write(message, delivery.lookUp, { status: "done", result: result.value })) {
        this.#step("row_done", delivery);
        hold.ack(delivery.held);
        this.#end(delivery, "done");
        await attempts.delete(message, delivery.attempts);
        return;
      }
      delivery.lookUp = await ledger.lookUpAgain(message, delivery.lookUp);
      if (delivery.lookUp.decision === "repeat") {
        hold.ack(delivery.held);
      }
      if (delivery.lookUp.decision !== "run") {
        return;
      }
    }
  }

  /** The handler threw. */
  async threw(delivery: Delivery, thrown: unknown): Promise<void> {
    if (thrown instanceof Snooze) {
      return this.#snooze(delivery, thrown.delayMs);
    }
    const { errorClass, error } = describeError(thrown);
    if (thrown instanceof PermanentError) {
      return this.#failedForGood(delivery, { reason: "permanent", errorClass, error });
    }
    return this.retry(delivery, {
      errorClass,
      error,
      delayMs: thrown instanceof RetryableError ? thrown.delayMs : undefined,
    });
  }

  /** An attempt failed that may be made again. */
  async retry(
    delivery: Delivery,
    cause: { errorClass: string; error: string; delayMs?: number | undefined },
  ): Promise<void> {
    const { attempts, hold, spec } = this.#parts;
    const { message } = delivery.held;
    const { errorClass, error } = cause;
    for (let round = 1; round <= 3; round++) {
      if (!hold.isOurs(delivery.held)) {
        return this.#end(delivery, "lost");
      }
      const known = (delivery.attempts ??= await attempts.get(message));
      const failed = { startedAt: delivery.startedAt, errorClass, error };
      const counted = attempts.withFailure(message, known.record, failed).attempts;
      const retrySpec = spec().retry;
      if (counted >= retrySpec.max_attempts) {
        return this.#failedForGood(delivery, { reason: "exhausted", errorClass, error });
      }
      const delayMs = Math.round(cause.delayMs ?? backoffDelayMs(retrySpec, counted, this.#parts.random()));
      const written = await attempts.put(
        message,
        known,
        attempts.withFailure(message, known.record, { ...failed, delayMs }),
      );
      if (written !== undefined) {
        delivery.attempts = written;
        this.#step("attempt_recorded", delivery);
        hold.nak(delivery.held, delayMs);
        return this.#end(delivery, "retry", { attempt: counted, error, delay_ms: delayMs });
      }
      delivery.attempts = undefined;
    }
    throw changing(delivery);
  }

  /** Sets the message aside; the record's history goes with it. */
  async dead(delivery: Delivery, failure: Failure, record: AttemptsRecord | undefined): Promise<void> {
    const { ledger, deadLetters, hold } = this.#parts;
    const { message } = delivery.held;
    const headers = deadLetters.headers(message, failure, delivery.contract, record);
    for (let round = 1; round <= 2; round++) {
      if (!hold.isOurs(delivery.held)) {
        return this.#end(delivery, "lost");
      }
      if (await ledger.write(message, delivery.lookUp, { status: "dead", reason: failure.reason, headers })) {
        this.#step("row_dead", delivery);
        return this.#bury(delivery, failure.reason, headers, failure.error);
      }
      if (await this.#isDecidedElsewhere(delivery)) {
        return;
      }
    }
    throw changing(delivery);
  }

  /** Does what the ledger's row says; not for `run`. */
  async decided(delivery: Delivery): Promise<void> {
    const { ledger, deadLetters, attempts, hold } = this.#parts;
    const { message } = delivery.held;
    const { decision, row } = delivery.lookUp;
    switch (decision) {
      case "run":
        throw new Error("a message that is to be run is not decided");
      case "repeat":
        await ledger.joinRepeat(message, delivery.lookUp);
        hold.ack(delivery.held);
        this.#end(delivery, "repeat");
        return attempts.delete(message, delivery.attempts);
      case "finish":
        return this.#bury(
          delivery,
          row?.reason ?? "permanent",
          row?.headers ?? {},
          "finished for another member",
        );
      case "stale":
        hold.term(delivery.held, "stale");
        return this.#end(delivery, "stale");
      case "conflict": {
        delivery.attempts ??= await attempts.get(message);
        const { record } = delivery.attempts;
        const headers = deadLetters.headers(message, conflict, delivery.contract, record);
        return this.#bury(delivery, "conflict", headers, conflict.error);
      }
    }
  }

  async #failedForGood(delivery: Delivery, failure: Failure): Promise<void> {
    const { attempts } = this.#parts;
    const { message } = delivery.held;
    const known = (delivery.attempts ??= await attempts.get(message));
    const { errorClass, error } = failure;
    const record = attempts.withFailure(message, known.record, {
      startedAt: delivery.startedAt,
      errorClass,
      error,
    });
    return this.dead(delivery, failure, record);
  }

  async #snooze(delivery: Delivery, wantedMs: number): Promise<void> {
    const { attempts, hold, spec } = this.#parts;
    const { message } = delivery.held;
    const delayMs = Math.min(Math.round(wantedMs), spec().retry.max_snooze_ms);
    for (let round = 1; round <= 3; round++) {
      if (!hold.isOurs(delivery.held)) {
        return this.#end(delivery, "lost");
      }
      const known = (delivery.attempts ??= await attempts.get(message));
      const record = attempts.withSnooze(message, known.record, delivery.startedAt, delayMs);
      if ((await attempts.put(message, known, record)) !== undefined) {
        this.#step("attempt_recorded", delivery);
        hold.nak(delivery.held, delayMs);
        return this.#end(delivery, "snoozed", { delay_ms: delayMs });
      }
      delivery.attempts = undefined;
    }
    throw changing(delivery);
  }

  /** Publishes the dead letter, then ends the message. */
  async #bury(
    delivery: Delivery,
    reason: DeadLetterReason,
    headers: Record<string, string>,
    error: string,
  ): Promise<void> {
    const { message } = delivery.held;
    await this.#parts.deadLetters.publish(reason, headers, message.body);
    this.#step("dead_lettered", delivery);
    this.#parts.hold.term(delivery.held, reason);
    this.#end(delivery, "dead", { reason, error });
    await this.#parts.attempts.delete(message, delivery.attempts);
  }

  /** After a failed compare: true when the new row settled the message. */
  async #isDecidedElsewhere(delivery: Delivery): Promise<boolean> {
    delivery.lookUp = await this.#parts.ledger.lookUpAgain(delivery.held.message, delivery.lookUp);
    if (delivery.lookUp.decision === "run") {
      return false;
    }
    await this.decided(delivery);
    return true;
  }

  #end(
    delivery: Delivery,
    outcome: Parameters<Stats["count"]>[0] | "lost",
    fields: Record<string, unknown> = {},
  ): void {
    if (outcome !== "lost") {
      this.#parts.stats.count(outcome);
    }
    if (typeof fields["error"] === "string") {
      this.#parts.stats.lastError = fields["error"];
    }
    const { message } = delivery.held;
    const level = outcome === "dead" ? "warn" : "debug";
    this.#parts.log[level](
      {
        seq: message.sequence,
        event_id: message.eventId,
        delivery: message.delivered,
        attempt: delivery.attempt,
        outcome,
        ...fields,
      },
      outcome === "dead" ? "dead letter" : "settled",
    );
  }

  #step(step: Step, delivery: Delivery): void {
    this.#parts.onStep(step, delivery.held.message);
  }
}

function changing(delivery: Delivery): MusterError {
  return new MusterError(
    "unreachable",
    `event ${delivery.held.message.eventId}: its row or record keeps changing`,
  );
}
