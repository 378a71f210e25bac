import type { AttemptsRecord, DeadLetterReason } from "@muster/contracts";
import type { Failure } from "./dead-letter.ts";
import type { Delivery, SettleParts } from "./ends.ts";
import { changing } from "./ends.ts";

const conflict: Failure = {
  reason: "conflict",
  errorClass: "Conflict",
  error: "event id was already settled with another body",
};

/**
 * Sets messages aside, and does what a ledger row says that is there already. First what is durable, then the
 * message, then cleaning up, so that a kill between two steps leaves a message that the next member finishes.
 * Methods throw `unreachable`.
 */
export class Dead {
  readonly #parts: SettleParts;

  constructor(parts: SettleParts) {
    this.#parts = parts;
  }

  /** Sets the message aside; the record's history goes with it. */
  async dead(delivery: Delivery, failure: Failure, record: AttemptsRecord | undefined): Promise<void> {
    const { ledger, deadLetters, hold, ends } = this.#parts;
    const { message } = delivery;
    const headers = deadLetters.headers(message, failure, delivery.contract, record);
    for (let round = 1; round <= 2; round++) {
      if (!hold.isOurs(delivery.held)) {
        return ends.end(delivery, "lost");
      }
      const content = { status: "dead" as const, reason: failure.reason, headers };
      if (await ledger.write({ message, lookUp: delivery.lookUp, content })) {
        if (ledger.kind !== "none") {
          ends.step("row_dead", message);
        }
        return this.#bury(delivery, failure.reason, headers, failure.error);
      }
      if (await this.isDecidedElsewhere(delivery)) {
        return;
      }
    }
    throw changing(delivery);
  }

  /** After a failed compare: true when the new row settled the message. */
  async isDecidedElsewhere(delivery: Delivery): Promise<boolean> {
    delivery.lookUp = await this.#parts.ledger.lookUpAgain(delivery.message, delivery.lookUp);
    if (delivery.lookUp.decision === "run") {
      return false;
    }
    await this.decided(delivery);
    return true;
  }

  /** Does what the ledger's row says; not for `run`. */
  async decided(delivery: Delivery): Promise<void> {
    const { ledger, deadLetters, attempts, hold, ends } = this.#parts;
    const { message } = delivery;
    const { decision, row } = delivery.lookUp;
    switch (decision) {
      case "run":
        throw new Error("a message that is to be run is not decided");
      case "repeat":
        await ledger.join(message, delivery.lookUp);
        await hold.ackConfirmed(delivery.held);
        ends.end(delivery, "repeat");
        if (delivery.attempts?.record !== undefined) {
          hold.sendAcks();
        }
        return attempts.delete(message, delivery.attempts);
      case "finish":
        return this.#bury(
          delivery,
          row?.reason ?? "permanent",
          row?.headers ?? {},
          "finished for another member",
        );
      case "stale": {
        if (!hold.isOurs(delivery.held)) {
          return ends.end(delivery, "lost");
        }
        // A term leaves nothing behind: without its sequence in the row the account would call it lost.
        delivery.lookUp = await ledger.join(message, delivery.lookUp);
        if (delivery.lookUp.decision !== "stale") {
          return this.#decidedAnew(delivery);
        }
        hold.term(delivery.held, "stale");
        return ends.end(delivery, "stale");
      }
      case "conflict": {
        delivery.attempts ??= await attempts.get(message);
        const { record } = delivery.attempts;
        const headers = deadLetters.headers(message, conflict, delivery.contract, record);
        return this.#bury(delivery, "conflict", headers, conflict.error);
      }
    }
  }

  /** The row changed while a stale message joined it; it is done by now, or dead of a later message. */
  #decidedAnew(delivery: Delivery): Promise<void> {
    if (delivery.lookUp.decision === "run") {
      throw changing(delivery);
    }
    return this.decided(delivery);
  }

  /** Publishes the dead letter, then ends the message. */
  async #bury(
    delivery: Delivery,
    reason: DeadLetterReason,
    headers: Record<string, string>,
    error: string,
  ): Promise<void> {
    const { deadLetters, hold, attempts, ends } = this.#parts;
    const { message } = delivery;
    await deadLetters.publish(reason, headers, message.body);
    ends.step("dead_lettered", message);
    hold.term(delivery.held, reason);
    ends.end(delivery, "dead", { reason, error });
    await attempts.delete(message, delivery.attempts);
  }
}
