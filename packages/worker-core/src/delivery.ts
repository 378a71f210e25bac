import { admit, lastError, MusterError } from "@muster/contracts";
import type { Contracts, Verdict } from "./contracts.ts";
import type { Dead } from "./dead.ts";
import type { Delivery, SettleParts } from "./ends.ts";
import { isUnreachable } from "./errors.ts";
import type { Held } from "./hold.ts";
import { unseen } from "./ledger/ledger.ts";
import type { Logger } from "./log.ts";
import type { Message } from "./message.ts";

/** What the steps before the handler need. */
export interface StepParts extends SettleParts {
  readonly dead: Dead;
  readonly contracts: Contracts;
  readonly log: Logger;
  /** Called when ledger, records or dead letters do not answer. */
  readonly onUnreachable: (error: MusterError) => void;
}

/** A delivery with its parsed body, ready for its handler. */
export interface Ready {
  readonly delivery: Delivery;
  readonly value: unknown;
  /** It may have killed its last process: it runs alone, and its start is noted first. */
  readonly isSuspect: boolean;
}

/** Delay of what is given back because something does not answer; no attempt is counted. */
export const notCountedDelayMs = 5000;

/** One delivery up to its handler: look up, admit, parse and validate. */
export class Steps {
  readonly #parts: StepParts;
  /** While the member drains, what has not started is given back. */
  isDraining = false;

  constructor(parts: StepParts) {
    this.#parts = parts;
  }

  /**
   * The common delivery: the first one, nothing to look up, a contract that is loaded, a body that it accepts.
   * Undefined when anything else is the case; then `prepare` goes the long way.
   */
  begin(held: Held): Ready | undefined {
    const { ledger, contracts } = this.#parts;
    const { message } = held;
    if (message.delivered > 1 || ledger.looksUpFirst) {
      return undefined;
    }
    const contract = this.#contractOf(message);
    const verdict = this.#isAccepted(contract) ? contracts.loaded(contract)?.(message.body) : undefined;
    return verdict?.ok === true
      ? { delivery: newDelivery(held, contract), value: verdict.value, isSuspect: false }
      : undefined;
  }

  /** Every step; undefined when the delivery has ended. Throws `unreachable`. */
  async prepare(held: Held): Promise<Ready | undefined> {
    if (!this.mayGoOn(held)) {
      return undefined;
    }
    const { ledger, dead } = this.#parts;
    const delivery = newDelivery(held, this.#contractOf(held.message));
    if (ledger.looksUpFirst || held.message.delivered > 1) {
      delivery.lookUp = await ledger.lookUp(held.message);
      if (delivery.lookUp.decision !== "run") {
        await dead.decided(delivery);
        return undefined;
      }
    }
    const admission = await this.#admit(delivery);
    if (admission === "settled") {
      return undefined;
    }
    const body = await this.#validate(delivery);
    return body && { delivery, value: body.value, isSuspect: admission === "suspect" };
  }

  /** Notes that the handler is about to start; false when the message is not ours to start. Throws `unreachable`. */
  async noteStart(delivery: Delivery): Promise<boolean> {
    const { attempts, hold } = this.#parts;
    const { held, message } = delivery;
    if (!this.mayGoOn(held)) {
      return false;
    }
    const known = (delivery.attempts ??= await attempts.get(message));
    const noted = await attempts.put(message, known, attempts.withStart(message, known.record, Date.now()));
    if (noted === undefined) {
      // Somebody else has noted a start since: the next delivery looks at the record again.
      hold.nak(held, notCountedDelayMs);
      return false;
    }
    delivery.attempts = noted;
    return true;
  }

  /** False when the message is lost, or is given back because the member drains. */
  mayGoOn(held: Held): boolean {
    if (!this.#parts.hold.isOurs(held)) {
      this.#parts.ends.end({ message: held.message, attempt: 0 }, "lost");
      return false;
    }
    if (this.isDraining) {
      this.giveBack(held);
      return false;
    }
    return true;
  }

  /** Hands a message that was not started to another member, at once. */
  giveBack(held: Held): void {
    this.#parts.hold.nak(held);
    this.#parts.ends.end({ message: held.message, attempt: 0 }, "returned");
  }

  /** Something did not answer, or the core itself failed: given back, no attempt counted. */
  broken(held: Held, error: unknown): void {
    const { hold, log, ends, onUnreachable } = this.#parts;
    const { message } = held;
    hold.nak(held, notCountedDelayMs);
    ends.end({ message, attempt: 0 }, "retry", {
      error: error instanceof Error ? error.message : String(error),
      delay_ms: notCountedDelayMs,
    });
    if (isUnreachable(error)) {
      onUnreachable(error);
    } else {
      const text = error instanceof Error ? error.stack : String(error);
      const fields = { seq: message.sequence, event_id: message.eventId, delay_ms: notCountedDelayMs };
      log.error({ ...fields, code: "internal", error: text }, "delivery failed");
    }
  }

  #contractOf(message: Message): string {
    return message.headers["Muster-Contract"] || (this.#parts.spec().contracts[0] ?? "");
  }

  #isAccepted(contract: string): boolean {
    return this.#parts.spec().contracts.includes(contract);
  }

  async #admit(delivery: Delivery): Promise<"run" | "suspect" | "settled"> {
    const { attempts, dead, spec } = this.#parts;
    const { message } = delivery;
    if (message.delivered <= 1) {
      return "run";
    }
    delivery.attempts = await attempts.get(message);
    const { record } = delivery.attempts;
    const { delivered, storeTime } = message;
    const { decision, attempt } = admit(record, {
      delivered,
      storeTime,
      maxAttempts: spec().retry.max_attempts,
    });
    delivery.attempt = attempt;
    if (decision === "run" || decision === "suspect") {
      return decision;
    }
    const last = record === undefined ? { errorClass: "NeverReported", error: "" } : lastError(record);
    await dead.dead(delivery, { reason: decision, ...last }, record);
    return "settled";
  }

  async #validate(delivery: Delivery): Promise<{ value: unknown } | undefined> {
    const { contracts, hold, log } = this.#parts;
    const { held, contract, message } = delivery;
    if (!this.#isAccepted(contract)) {
      const error = `unknown contract ${contract}`;
      return this.#refuse(delivery, { reason: "unknown_contract", errorClass: "UnknownContract", error });
    }
    const judge: Verdict | undefined = await contracts.verdict(contract);
    if (judge === undefined) {
      hold.nak(held, notCountedDelayMs);
      const fields = { seq: message.sequence, code: "no_contract", contract, delay_ms: notCountedDelayMs };
      log.error(fields, "contract missing");
      return undefined;
    }
    const verdict = judge(message.body);
    if (verdict.ok) {
      return { value: verdict.value };
    }
    return this.#refuse(delivery, { reason: "invalid", errorClass: "InvalidMessage", error: verdict.error });
  }

  async #refuse(
    delivery: Delivery,
    failure: { reason: "invalid" | "unknown_contract"; errorClass: string; error: string },
  ): Promise<undefined> {
    const { attempts, dead } = this.#parts;
    delivery.attempts ??= await attempts.get(delivery.message);
    await dead.dead(delivery, failure, delivery.attempts.record);
    return undefined;
  }
}

function newDelivery(held: Held, contract: string): Delivery {
  return {
    message: held.message,
    held,
    lookUp: unseen,
    attempts: undefined,
    contract,
    attempt: 1,
    isStarted: false,
    startedAt: Date.now(),
    tx: undefined,
  };
}
