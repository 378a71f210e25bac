import { backoffDelayMs } from "@muster/contracts";
import type { Dead } from "./dead.ts";
import type { Failure } from "./dead-letter.ts";
import type { Delivery, SettleParts } from "./ends.ts";
import { changing } from "./ends.ts";
import { describeError, isUnreachable, PermanentError, RetryableError, Snooze } from "./errors.ts";
import { encodeResult } from "./result.ts";

/** `again`: the transaction was undone and nothing stands in its way any more, so the handler runs once more. */
export type AfterSettle = "again" | void;

/**
 * Ends deliveries by what their handlers said. First what is durable, then the message, then cleaning up, so that a
 * kill between two steps leaves a message that the next member finishes. Methods throw `unreachable`.
 */
export class Settlement {
  readonly #parts: SettleParts;
  readonly #dead: Dead;

  constructor(parts: SettleParts, dead: Dead) {
    this.#parts = parts;
    this.#dead = dead;
  }

  /** The handler returned. Ends at once, without a promise, where nothing durable has to be written. */
  returned(delivery: Delivery, value: unknown): Promise<AfterSettle> | undefined {
    const { ledger, hold, ends } = this.#parts;
    const result = encodeResult(value);
    if (!result.ok) {
      return this.#invalidResult(delivery, result.error);
    }
    if (ledger.kind === "none" && delivery.attempts?.record === undefined) {
      hold.ack(delivery.held);
      ends.end(delivery, "done");
      return undefined;
    }
    return this.#done(delivery, result.value);
  }

  /** The handler returned after its deadline, when the message had been given back already. */
  async returnedLate(delivery: Delivery, value: unknown): Promise<void> {
    const { ledger, hold, ends } = this.#parts;
    const { message } = delivery;
    const result = encodeResult(value);
    if (!result.ok) {
      await delivery.tx?.rollback();
      return;
    }
    const content = { status: "done" as const, result: result.value };
    for (let round = 1; round <= 2; round++) {
      const hadTransaction = delivery.tx?.isOpen === true;
      if (await ledger.write({ message, lookUp: delivery.lookUp, content }, delivery.tx)) {
        return this.written(delivery);
      }
      delivery.lookUp = await ledger.lookUpAgain(message, delivery.lookUp);
      if (delivery.lookUp.decision === "repeat") {
        await ledger.join(message, delivery.lookUp);
        await hold.ackConfirmed(delivery.held);
        return ends.end(delivery, "repeat");
      }
      // The effect was undone with its transaction: the next delivery makes it again.
      if (delivery.lookUp.decision !== "run" || hadTransaction) {
        return;
      }
    }
  }

  /** The row `done` is written: the message ends, then its record. */
  async written(delivery: Delivery): Promise<void> {
    const { hold, ends, attempts, ledger } = this.#parts;
    if (ledger.kind !== "none") {
      ends.step("row_done", delivery.message);
    }
    await hold.ackConfirmed(delivery.held);
    ends.end(delivery, "done");
    if (delivery.attempts?.record !== undefined) {
      hold.sendAcks();
    }
    await attempts.delete(delivery.message, delivery.attempts);
  }

  /** The handler threw. */
  async threw(delivery: Delivery, thrown: unknown): Promise<void> {
    await delivery.tx?.rollback();
    if (thrown instanceof Snooze) {
      return this.#snooze(delivery, thrown.delayMs);
    }
    if (isUnreachable(thrown) && delivery.tx !== undefined) {
      // The ledger's own database is away: no fault of the handler, no attempt.
      throw thrown;
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
    const { attempts, hold, spec, ends, random } = this.#parts;
    const { message } = delivery;
    const { errorClass, error } = cause;
    for (let round = 1; round <= 3; round++) {
      if (!hold.isOurs(delivery.held)) {
        return ends.end(delivery, "lost");
      }
      const known = (delivery.attempts ??= await attempts.get(message));
      const failed = { startedAt: delivery.startedAt, errorClass, error };
      const counted = attempts.withFailure(message, known.record, failed).attempts;
      const retrySpec = spec().retry;
      if (counted >= retrySpec.max_attempts) {
        return this.#failedForGood(delivery, { reason: "exhausted", errorClass, error });
      }
      const delayMs = Math.round(cause.delayMs ?? backoffDelayMs(retrySpec, counted, random()));
      const record = attempts.withFailure(message, known.record, { ...failed, delayMs });
      const written = await attempts.put(message, known, record);
      if (written !== undefined) {
        delivery.attempts = written;
        ends.step("attempt_recorded", message);
        hold.nak(delivery.held, delayMs);
        delivery.attempt = counted;
        return ends.end(delivery, "retry", { error, delay_ms: delayMs });
      }
      delivery.attempts = undefined;
    }
    throw changing(delivery);
  }

  async #done(delivery: Delivery, result: unknown): Promise<AfterSettle> {
    const { ledger } = this.#parts;
    const { message } = delivery;
    const content = { status: "done" as const, result };
    for (let round = 1; round <= 2; round++) {
      const hadTransaction = delivery.tx?.isOpen === true;
      let isWritten: boolean;
      try {
        isWritten = await ledger.write({ message, lookUp: delivery.lookUp, content }, delivery.tx);
      } catch (error) {
        if (hadTransaction && !isUnreachable(error)) {
          // What the handler did cannot be committed (a deferred constraint, say): its failure, and it counts.
          return this.threw(delivery, error);
        }
        throw error;
      }
      if (isWritten) {
        return this.written(delivery);
      }
      if (await this.#dead.isDecidedElsewhere(delivery)) {
        return undefined;
      }
      if (hadTransaction) {
        return "again";
      }
    }
    throw changing(delivery);
  }

  async #invalidResult(delivery: Delivery, error: string): Promise<void> {
    await delivery.tx?.rollback();
    return this.#failedForGood(delivery, { reason: "permanent", errorClass: "InvalidResult", error });
  }

  async #failedForGood(delivery: Delivery, failure: Failure): Promise<void> {
    const { attempts } = this.#parts;
    const { message } = delivery;
    const known = (delivery.attempts ??= await attempts.get(message));
    const { errorClass, error } = failure;
    const record = attempts.withFailure(message, known.record, {
      startedAt: delivery.startedAt,
      errorClass,
      error,
    });
    return this.#dead.dead(delivery, failure, record);
  }

  async #snooze(delivery: Delivery, wantedMs: number): Promise<void> {
    const { attempts, hold, spec, ends } = this.#parts;
    const { message } = delivery;
    const delayMs = Math.min(Math.round(wantedMs), spec().retry.max_snooze_ms);
    for (let round = 1; round <= 3; round++) {
      if (!hold.isOurs(delivery.held)) {
        return ends.end(delivery, "lost");
      }
      const known = (delivery.attempts ??= await attempts.get(message));
      const record = attempts.withSnooze(message, known.record, delivery.startedAt, delayMs);
      if ((await attempts.put(message, known, record)) !== undefined) {
        ends.step("attempt_recorded", message);
        hold.nak(delivery.held, delayMs);
        return ends.end(delivery, "snoozed", { delay_ms: delayMs });
      }
      delivery.attempts = undefined;
    }
    throw changing(delivery);
  }
}
