import { Fifo } from "./fifo.ts";
import type { Steps, Ready } from "./delivery.ts";
import type { Delivery } from "./ends.ts";
import type { HandleEnd, Handler, Handlers, RunListener } from "./handle.ts";
import type { Held, Hold } from "./hold.ts";
import type { Intake } from "./intake.ts";
import type { LedgerTransaction } from "./ledger/ledger.ts";
import type { Message } from "./message.ts";
import type { Settlement } from "./settle.ts";

/** What runs messages one by one. */
export interface SlotParts {
  readonly steps: Steps;
  readonly settlement: Settlement;
  readonly handlers: Handlers;
  readonly handler: Handler<never>;
  readonly hold: Hold;
  readonly transaction: () => LedgerTransaction | undefined;
  readonly concurrency: () => number;
  readonly onReceived: (message: Message) => void;
  /** Called when a place in hand has become free. */
  readonly onFree: () => void;
}

/**
 * The messages in hand: those waiting, the suspects, and those that run, at most `concurrency` of them.
 * A suspect may have killed its last process, so one runs at a time and its start is noted first:
 * it then takes no neighbour's attempts with it.
 */
export class Slots implements Intake {
  readonly #parts: SlotParts;
  readonly #waiting = new Fifo<Held>();
  readonly #suspects = new Fifo<Ready>();
  /** In the order of their starts. */
  readonly #running = new Map<Held, number>();
  #suspectThatRuns: Held | undefined;
  #isPumping = false;
  #idle: (() => void)[] = [];

  constructor(parts: SlotParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#waiting.length + this.#suspects.length + this.#running.size;
  }

  get hasFreeSlot(): boolean {
    return this.#waiting.length === 0 && this.#running.size < this.#parts.concurrency();
  }

  get suspectCount(): number {
    return this.#suspects.length;
  }

  get oldest(): { sequence: number; sinceMs: number } | undefined {
    for (const [held, sinceMs] of this.#running) {
      return { sequence: held.message.sequence, sinceMs };
    }
    return undefined;
  }

  take(message: Message): void {
    const { hold, steps, onReceived } = this.#parts;
    const held = hold.add(message);
    onReceived(message);
    if (steps.isDraining) {
      steps.giveBack(held);
      return;
    }
    if (this.#isPumping || this.#suspects.length > 0 || !this.hasFreeSlot) {
      this.#waiting.push(held);
      this.pump();
    } else {
      this.#start(held);
    }
  }

  pump(): void {
    // A handler that returns at once frees its slot from within: the loop below goes on by itself.
    if (this.#isPumping) {
      return;
    }
    this.#isPumping = true;
    try {
      const most = this.#parts.concurrency();
      while (this.#running.size < most && this.#startNext()) {
        // Everything happens in the condition.
      }
    } finally {
      this.#isPumping = false;
    }
  }

  stop(): void {
    this.#parts.steps.isDraining = true;
  }

  async drain(): Promise<void> {
    const { steps } = this.#parts;
    this.stop();
    const suspects = this.#suspects.takeAll().map((ready) => ready.delivery.held);
    for (const held of [...this.#waiting.takeAll(), ...suspects]) {
      steps.giveBack(held);
    }
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** False when there is nothing to start. */
  #startNext(): boolean {
    const suspect = this.#suspectThatRuns === undefined ? this.#suspects.shift() : undefined;
    if (suspect !== undefined) {
      this.#suspectThatRuns = suspect.delivery.held;
      this.#running.set(suspect.delivery.held, Date.now());
      void this.#startSuspect(suspect);
      return true;
    }
    const held = this.#waiting.shift();
    if (held === undefined) {
      return false;
    }
    this.#start(held);
    return true;
  }

  #start(held: Held): void {
    this.#running.set(held, Date.now());
    try {
      const ready = this.#parts.steps.begin(held);
      if (ready === undefined) {
        void this.#prepare(held);
      } else {
        this.#handle(ready);
      }
    } catch (error) {
      this.#parts.steps.broken(held, error);
      this.#end(held);
    }
  }

  async #prepare(held: Held): Promise<void> {
    const { steps } = this.#parts;
    try {
      const ready = await steps.prepare(held);
      if (ready === undefined) {
        this.#end(held);
      } else if (ready.isSuspect && !steps.isDraining) {
        // It gives its slot up and is only held until its turn comes.
        this.#suspects.push(ready);
        this.#leave(held);
      } else {
        this.#handle(ready);
      }
    } catch (error) {
      steps.broken(held, error);
      this.#end(held);
    }
  }

  async #startSuspect(ready: Ready): Promise<void> {
    const { steps } = this.#parts;
    const { held } = ready.delivery;
    try {
      if (await steps.noteStart(ready.delivery)) {
        this.#handle(ready);
      } else {
        this.#end(held);
      }
    } catch (error) {
      steps.broken(held, error);
      this.#end(held);
    }
  }

  #handle({ delivery, value }: Ready): void {
    const { steps, handlers, handler, transaction } = this.#parts;
    if (!steps.mayGoOn(delivery.held)) {
      this.#end(delivery.held);
      return;
    }
    delivery.startedAt = Date.now();
    delivery.isStarted = true;
    delivery.tx = transaction();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the JSON Schema has judged the value
    handlers.start(handler, value as never, delivery, this.#listenTo({ delivery, value, isSuspect: false }));
  }

  #listenTo(ready: Ready): RunListener {
    const { delivery } = ready;
    const { settlement, steps } = this.#parts;
    let retried: Promise<void> | undefined;
    return {
      onEnd: (end) => {
        const settled =
          end.type === "returned"
            ? settlement.returned(delivery, end.value)
            : settlement.threw(delivery, end.thrown);
        if (settled === undefined) {
          this.#end(delivery.held);
        } else {
          void this.#afterSettling(settled, ready);
        }
      },
      onDeadline: (timeoutMs) => {
        const cause = { errorClass: "DeadlineExceeded", error: `handler exceeded ${timeoutMs} ms` };
        retried = settlement
          .retry(delivery, cause)
          .catch((error: unknown) => steps.broken(delivery.held, error));
      },
      onLateEnd: (end) => void this.#afterDeadline(delivery, end, retried),
    };
  }

  async #afterSettling(settled: Promise<"again" | void>, ready: Ready): Promise<void> {
    try {
      if ((await settled) === "again") {
        this.#handle(ready);
        return;
      }
    } catch (error) {
      this.#parts.steps.broken(ready.delivery.held, error);
    }
    this.#end(ready.delivery.held);
  }

  /** The slot was taken until now; a commit that the handler still made is honoured. */
  async #afterDeadline(
    delivery: Delivery,
    end: HandleEnd,
    retried: Promise<void> | undefined,
  ): Promise<void> {
    await retried;
    try {
      if (end.type === "returned") {
        await this.#parts.settlement.returnedLate(delivery, end.value);
      } else {
        await delivery.tx?.rollback();
      }
    } catch (error) {
      this.#parts.steps.broken(delivery.held, error);
    }
    this.#end(delivery.held);
  }

  #end(held: Held): void {
    this.#parts.hold.release(held);
    this.#leave(held);
  }

  /** The slot is free. */
  #leave(held: Held): void {
    this.#running.delete(held);
    if (this.#suspectThatRuns === held) {
      this.#suspectThatRuns = undefined;
    }
    this.pump();
    this.#parts.onFree();
    if (this.#running.size === 0 && this.#idle.length > 0) {
      for (const resolve of this.#idle.splice(0)) {
        resolve();
      }
    }
  }
}
