import { admit, lastError, MusterError } from "@muster/contracts";
import type { Contracts } from "./contracts.ts";
import type { Handle, HandleEnd } from "./handle.ts";
import type { Held } from "./hold.ts";
import type { Message } from "./message.ts";
import type { Delivery, Settlement, SettleParts } from "./settle.ts";

/** What deliveries need beside what settles them. */
export interface DeliveryParts extends SettleParts {
  readonly settlement: Settlement;
  readonly contracts: Contracts;
  readonly handle: Handle;
  /** Called when a place in hand has become free. */
  readonly onFree: () => void;
  /** Called when ledger, records or dead letters do not answer. */
  readonly onUnreachable: (error: MusterError) => void;
}

/** A delivery with its parsed body, ready for its handler. */
interface Ready {
  readonly delivery: Delivery;
  readonly value: unknown;
}

/** `parked`: a suspect gave its slot up and is only held until its turn comes. */
type End = "parked" | void;

const notCountedDelayMs = 5000;

/**
 * The messages in hand: those waiting, the suspects, and those that run, at most `concurrency` of them.
 * A suspect may have killed its last process, so one runs at a time and its start is noted first:
 * it then takes no neighbour's attempts with it.
 */
export class Deliveries {
  readonly #parts: DeliveryParts;
  readonly #waiting: Held[] = [];
  readonly #suspects: Ready[] = [];
  readonly #running = new Map<Held, number>();
  #suspectRuns = false;
  #isDraining = false;
  #idle: (() => void)[] = [];

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
  }

  /** Messages in hand, started or not. */
  get count(): number {
    return this.#waiting.length + this.#suspects.length + this.#running.size;
  }

  /** The message longest in hand of those that run, with the wall clock of its start. */
  get oldest(): { sequence: number; sinceMs: number } | undefined {
    for (const [held, sinceMs] of this.#running) {
      return { sequence: held.message.sequence, sinceMs };
    }
    return undefined;
  }

  /** Takes a message that came. */
  take(message: Message): void {
    const held = this.#parts.hold.add(message);
    this.#parts.onStep("received", message);
    if (this.#isDraining) {
      this.#giveBack(held);
      return;
    }
    this.#waiting.push(held);
    this.pump();
  }

  /** Starts what there is room for; called again when the concurrency was raised. */
  pump(): void {
    while (this.#running.size < this.#parts.spec().concurrency) {
      const suspect = this.#suspectRuns ? undefined : this.#suspects.shift();
      if (suspect !== undefined) {
        this.#suspectRuns = true;
        this.#start(suspect.delivery.held, () => this.#runSuspect(suspect));
        continue;
      }
      const held = this.#waiting.shift();
      if (held === undefined) {
        return;
      }
      this.#start(held, () => this.#run(held));
    }
  }

  /** Gives back what was not started and resolves when nothing runs any more. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    for (const held of [
      ...this.#waiting.splice(0),
      ...this.#suspects.splice(0).map((ready) => ready.delivery.held),
    ]) {
      this.#giveBack(held);
    }
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  #start(held: Held, run: () => Promise<End>): void {
    this.#running.set(held, Date.now());
    void this.#supervise(held, run);
  }

  async #supervise(held: Held, run: () => Promise<End>): Promise<void> {
    let end: End = undefined;
    try {
      end = await run();
    } catch (error) {
      this.#broken(held, error);
    }
    if (end !== "parked") {
      this.#parts.hold.release(held);
    }
    this.#running.delete(held);
    this.pump();
    this.#parts.onFree();
    if (this.#running.size === 0) {
      for (const resolve of this.#idle.splice(0)) {
        resolve();
      }
    }
  }

  async #run(held: Held): Promise<End> {
    if (!this.#mayGoOn(held)) {
      return;
    }
    const { ledger, settlement } = this.#parts;
    const { message } = held;
    const contract = message.headers["Muster-Contract"] || (this.#parts.spec().contracts[0] ?? "");
    const lookUp = await ledger.lookUp(message);
    const delivery: Delivery = {
      held,
      lookUp,
      attempts: undefined,
      contract,
      attempt: 1,
      startedAt: Date.now(),
    };
    if (lookUp.decision !== "run") {
      return settlement.decided(delivery);
    }
    const admission = await this.#admit(delivery);
    if (admission === "settled") {
      return;
    }
    const value = await this.#validate(delivery);
    if (!value.ok) {
      return;
    }
    const ready = { delivery, value: value.value };
    if (admission === "suspect" && !this.#isDraining) {
      this.#suspects.push(ready);
      return "parked";
    }
    return this.#handle(ready);
  }

  async #runSuspect(ready: Ready): Promise<void> {
    try {
      if (await this.#noteStart(ready.delivery)) {
        await this.#handle(ready);
      }
    } finally {
      this.#suspectRuns = false;
    }
  }

  async #admit(delivery: Delivery): Promise<"run" | "suspect" | "settled"> {
    const { attempts, settlement, spec } = this.#parts;
    const { message } = delivery.held;
    if (message.delivered <= 1) {
      return "run";
    }
    delivery.attempts = await attempts.get(message);
    const { record } = delivery.attempts;
    const { decision, attempt } = admit(record, { ...message, maxAttempts: spec().retry.max_attempts });
    delivery.attempt = attempt;
    if (decision === "run" || decision === "suspect") {
      return decision;
    }
    const last = record === undefined ? { errorClass: "NeverReported", error: "" } : lastError(record);
    await settlement.dead(delivery, { reason: decision, ...last }, record);
    return "settled";
  }

  async #validate(delivery: Delivery): Promise<{ ok: true; value: unknown } | { ok: false }> {
    const { contracts, spec, hold, attempts, settlement } = this.#parts;
    const { held, contract } = delivery;
    if (!spec().contracts.includes(contract)) {
      delivery.attempts ??= await attempts.get(held.message);
      const error = `unknown contract ${contract}`;
      await settlement.dead(
        delivery,
        { reason: "unknown_contract", errorClass: "UnknownContract", error },
        delivery.attempts.record,
      );
      return { ok: false };
    }
    const judge = await contracts.verdict(contract);
    if (judge === undefined) {
      hold.nak(held, notCountedDelayMs);
      this.#parts.log.error(
        { seq: held.message.sequence, code: "no_contract", contract, delay_ms: notCountedDelayMs },
        "contract missing",
      );
      return { ok: false };
    }
    const verdict = judge(held.message.body);
    if (!verdict.ok) {
      delivery.attempts ??= await attempts.get(held.message);
      await settlement.dead(
        delivery,
        { reason: "invalid", errorClass: "InvalidMessage", error: verdict.error },
        delivery.attempts.record,
      );
      return { ok: false };
    }
    return { ok: true, value: verdict.value };
  }

  /** Notes that the handler is about to start; false when the message is not ours to start. */
  async #noteStart(delivery: Delivery): Promise<boolean> {
    const { attempts, hold } = this.#parts;
    const { held } = delivery;
    if (!this.#mayGoOn(held)) {
      return false;
    }
    const known = (delivery.attempts ??= await attempts.get(held.message));
    const noted = await attempts.put(
      held.message,
      known,
      attempts.withStart(held.message, known.record, Date.now()),
    );
    if (noted === undefined) {
      // Somebody else has noted a start since: the next delivery looks at the record again.
      hold.nak(held, notCountedDelayMs);
      return false;
    }
    delivery.attempts = noted;
    return true;
  }

  async #handle({ delivery, value }: Ready): Promise<void> {
    const { handle, settlement } = this.#parts;
    if (!this.#mayGoOn(delivery.held)) {
      return;
    }
    delivery.startedAt = Date.now();
    const run = handle(delivery, value);
    const end: HandleEnd = await run.end;
    if (end.type === "returned") {
      return settlement.returned(delivery, end.value);
    }
    if (end.type === "threw") {
      return settlement.threw(delivery, end.thrown);
    }
    try {
      await settlement.retry(delivery, {
        errorClass: "DeadlineExceeded",
        error: `handler exceeded ${end.timeoutMs} ms`,
      });
    } catch (error) {
      this.#broken(delivery.held, error);
    }
    // The slot stays taken until the handler really returns; a commit it still makes is honoured.
    const late = await run.late;
    if (late.type === "returned") {
      await settlement.returnedLate(delivery, late.value);
    }
  }

  /** False when the message is lost, or is given back because the member drains. */
  #mayGoOn(held: Held): boolean {
    if (!this.#parts.hold.isOurs(held)) {
      return false;
    }
    if (this.#isDraining) {
      this.#giveBack(held);
      return false;
    }
    return true;
  }

  #giveBack(held: Held): void {
    this.#parts.hold.nak(held);
    this.#parts.stats.count("returned");
  }

  #broken(held: Held, error: unknown): void {
    const { hold, stats, log } = this.#parts;
    hold.nak(held, notCountedDelayMs);
    stats.count("retry");
    const fields = {
      seq: held.message.sequence,
      event_id: held.message.eventId,
      delay_ms: notCountedDelayMs,
    };
    if (error instanceof MusterError && error.code === "unreachable") {
      log.debug({ ...fields, code: error.code, error: error.message }, "settled");
      this.#parts.onUnreachable(error);
    } else {
      log.error(
        { ...fields, code: "internal", error: error instanceof Error ? error.stack : String(error) },
        "delivery failed",
      );
    }
  }
}
