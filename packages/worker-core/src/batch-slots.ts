import type { BatchHandler } from "./batch.ts";
import { batchShape, outcomesOf } from "./batch.ts";
import type { BatchSettlement } from "./batch-settle.ts";
import type { ContextParts } from "./context.ts";
import { HandlerContext } from "./context.ts";
import type { Ready, Steps } from "./delivery.ts";
import { Fifo } from "./fifo.ts";
import type { Handlers } from "./handle.ts";
import type { Held, Hold } from "./hold.ts";
import type { Intake } from "./intake.ts";
import type { LedgerTransaction } from "./ledger/ledger.ts";
import type { Message } from "./message.ts";

/** What runs messages in batches. */
export interface BatchSlotParts {
  readonly steps: Steps;
  readonly settlement: BatchSettlement;
  readonly handlers: Handlers;
  readonly handler: BatchHandler<never>;
  readonly hold: Hold;
  readonly transaction: () => LedgerTransaction | undefined;
  readonly context: ContextParts;
  readonly concurrency: () => number;
  /** Messages of a batch, and how long the oldest waits for the batch to fill. */
  readonly batch: () => { size: number; waitMs: number };
  readonly onReceived: (message: Message) => void;
  readonly onFree: () => void;
}

/** A message that waits, with the time it came. */
interface Waiting {
  readonly held: Held;
  readonly sinceMs: number;
}

/**
 * The messages in hand in batches: a batch starts when it is full or its oldest message has waited long enough, and
 * a loop is free. A suspect is a batch of its own.
 */
export class BatchSlots implements Intake {
  readonly #parts: BatchSlotParts;
  readonly #waiting = new Fifo<Waiting>();
  readonly #suspects = new Fifo<Ready>();
  readonly #running = new Map<Held, number>();
  #loops = 0;
  #suspectRuns = false;
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(parts: BatchSlotParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#waiting.length + this.#suspects.length + this.#running.size;
  }

  get hasFreeSlot(): boolean {
    const { batch, concurrency } = this.#parts;
    return this.#waiting.length === 0 && this.#loops < batchShape(batch().size, concurrency()).loops;
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
    this.#waiting.push({ held, sinceMs: performance.now() });
    this.pump();
  }

  pump(): void {
    const { batch, concurrency } = this.#parts;
    const { size: wanted, waitMs } = batch();
    const { size, loops } = batchShape(wanted, concurrency());
    while (this.#loops < loops) {
      const suspect = this.#suspectRuns ? undefined : this.#suspects.shift();
      if (suspect !== undefined) {
        this.#suspectRuns = true;
        this.#start([suspect.delivery.held], () => this.#runSuspect(suspect));
        continue;
      }
      const oldest = this.#waiting.peek();
      if (oldest === undefined) {
        return;
      }
      const waited = performance.now() - oldest.sinceMs;
      if (this.#waiting.length < size && waited < waitMs) {
        this.#timer ??= setTimeout(this.#onTimer, Math.ceil(waitMs - waited));
        return;
      }
      const helds: Held[] = [];
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        helds.push(next.held);
        if (helds.length === size) {
          break;
        }
      }
      this.#start(helds, () => this.#runBatch(helds));
    }
  }

  stop(): void {
    this.#parts.steps.isDraining = true;
  }

  async drain(): Promise<void> {
    const { steps } = this.#parts;
    this.stop();
    clearTimeout(this.#timer);
    const waiting = this.#waiting.takeAll().map(({ held }) => held);
    const suspects = this.#suspects.takeAll().map((ready) => ready.delivery.held);
    for (const held of [...waiting, ...suspects]) {
      steps.giveBack(held);
    }
    if (this.#loops > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.pump();
  };

  #start(helds: readonly Held[], run: () => Promise<void>): void {
    this.#loops += 1;
    for (const held of helds) {
      this.#running.set(held, Date.now());
    }
    void run().finally(() => {
      this.#loops -= 1;
      for (const held of helds) {
        this.#end(held);
      }
      this.pump();
      this.#parts.onFree();
      if (this.#loops === 0) {
        for (const resolve of this.#idle.splice(0)) {
          resolve();
        }
      }
    });
  }

  /** Takes out of `helds` what it parks. */
  async #runBatch(helds: Held[]): Promise<void> {
    const { steps } = this.#parts;
    const ready: Ready[] = [];
    const longWay: Held[] = [];
    for (const held of helds) {
      const now = steps.begin(held);
      if (now === undefined) {
        longWay.push(held);
      } else {
        ready.push(now);
      }
    }
    for (const prepared of await Promise.all(longWay.map((held) => this.#prepare(held)))) {
      if (prepared?.isSuspect === true && !steps.isDraining) {
        // No longer this batch's: it may run by itself when this one ends.
        helds.splice(helds.indexOf(prepared.delivery.held), 1);
        this.#running.delete(prepared.delivery.held);
        this.#suspects.push(prepared);
      } else if (prepared !== undefined) {
        ready.push(prepared);
      }
    }
    await this.#handle(ready);
  }

  async #prepare(held: Held): Promise<Ready | undefined> {
    try {
      return await this.#parts.steps.prepare(held);
    } catch (error) {
      this.#parts.steps.broken(held, error);
      return undefined;
    }
  }

  async #runSuspect(suspect: Ready): Promise<void> {
    const { steps } = this.#parts;
    try {
      if (await steps.noteStart(suspect.delivery)) {
        await this.#handle([suspect]);
      }
    } catch (error) {
      steps.broken(suspect.delivery.held, error);
    } finally {
      this.#suspectRuns = false;
    }
  }

  /** Runs the handler on what may go on, and again on what its undone transaction leaves; the loop is taken until then. */
  async #handle(all: readonly Ready[]): Promise<void> {
    const { steps, settlement } = this.#parts;
    let ready = all.filter(({ delivery }) => steps.mayGoOn(delivery.held));
    for (let round = 1; ready.length > 0; round++) {
      const again = await this.#run(ready);
      if (round === settlement.rounds) {
        settlement.giveUp(again);
        return;
      }
      ready = again.filter(({ delivery }) => steps.mayGoOn(delivery.held));
    }
  }

  #run(ready: readonly Ready[]): Promise<readonly Ready[]> {
    const { handlers, handler, transaction, settlement, context } = this.#parts;
    const tx = transaction();
    for (const { delivery } of ready) {
      delivery.startedAt = Date.now();
      delivery.isStarted = true;
      delivery.tx = tx;
    }
    // A context is also the message as the handler sees it: what it does not ask for is not read.
    const messages = ready.map(({ delivery, value }) => new HandlerContext(delivery, context, value));
    const { promise, resolve } = Promise.withResolvers<readonly Ready[]>();
    let retried: Promise<void> | undefined;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the JSON Schema has judged the values
    const call = (own: HandlerContext): unknown => handler(messages as never, own);
    handlers.startCall(call, messages, {
      onEnd: (end) => {
        const outcomes =
          end.type === "returned"
            ? outcomesOf(end.value, ready.length)
            : ready.map(() => asError(end.thrown));
        resolve(settlement.settle(ready, outcomes, tx));
      },
      onDeadline: (timeoutMs) => {
        retried = settlement.deadline(ready, timeoutMs);
      },
      onLateEnd: (end) => {
        const outcomes = end.type === "returned" ? outcomesOf(end.value, ready.length) : undefined;
        resolve((retried ?? Promise.resolve()).then(() => settlement.settleLate(ready, outcomes, tx)));
      },
    });
    return promise;
  }

  #end(held: Held): void {
    this.#running.delete(held);
    this.#parts.hold.release(held);
  }
}

/** Whatever a handler threw, as an outcome that is a failure. */
function asError(thrown: unknown): Error {
  const text = typeof thrown === "string" ? thrown : "handler threw no error object";
  return thrown instanceof Error ? thrown : new Error(text);
}
