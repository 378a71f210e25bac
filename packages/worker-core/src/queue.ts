import type { Msg, Subscription } from "@nats-io/transport-node";
import type { AttemptsStore } from "./attempts.ts";
import type { Connection } from "./connection.ts";
import type { Contracts } from "./contracts.ts";
import type { Failure } from "./dead-letter.ts";
import type { Ends } from "./ends.ts";
import { describeError, PermanentError } from "./errors.ts";
import { Fifo } from "./fifo.ts";
import type { HandleEnd, Handler, Handlers } from "./handle.ts";
import type { Intake } from "./intake.ts";
import { coreMessage, type Message } from "./message.ts";
import type { QueueLetters } from "./queue-letters.ts";
import { encodeResult } from "./result.ts";
import type { Source } from "./source.ts";

/** What a core queue group works with. */
export interface QueueParts {
  readonly connection: Connection;
  readonly group: string;
  readonly subjects: () => readonly string[];
  readonly contractNames: () => readonly string[];
  readonly contracts: Contracts;
  readonly handlers: Handlers;
  readonly handler: Handler<never>;
  readonly attempts: AttemptsStore;
  readonly letters: QueueLetters;
  readonly ends: Ends;
  readonly concurrency: () => number;
  /** Messages that may wait in the process; what comes beyond them is lost, and counted. */
  readonly mostWaiting: () => number;
  readonly mayTake: () => boolean;
}

/** A message on its way: a core message has no delivery count, no sequence and no second chance. */
interface InHand {
  readonly message: Message;
  readonly attempt: 1;
  readonly startedAt: number;
  /** The handler was started. */
  isStarted: boolean;
}

/**
 * A core NATS queue group: at most once. The server forgets a message when it has handed it out, so nothing can be
 * given back: what fails is dead-lettered at once, what a killed process had in hand is lost.
 */
export class Queue implements Source, Intake {
  readonly suspectCount = 0;
  readonly hasFreeSlot = true;
  readonly #parts: QueueParts;
  readonly #waiting = new Fifo<InHand>();
  readonly #running = new Set<InHand>();
  #subscriptions: Subscription[] = [];
  #isClosed = false;
  #isFull = false;
  #idle: (() => void)[] = [];

  constructor(parts: QueueParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#waiting.length + this.#running.size;
  }

  get oldest(): { sequence: number; sinceMs: number } | undefined {
    return undefined;
  }

  /** Subscribes or unsubscribes: while paused messages pass unseen. */
  wake(): void {
    const { connection, group, subjects, mayTake } = this.#parts;
    const isOpen = this.#subscriptions.length > 0;
    if (!this.#isClosed && mayTake() && !isOpen) {
      this.#subscriptions = subjects().map((subject) =>
        connection.nats.subscribe(subject, {
          queue: group,
          callback: (error, msg) => (error === null ? this.#receive(msg) : undefined),
        }),
      );
    } else if ((this.#isClosed || !mayTake()) && isOpen) {
      void this.#unsubscribe();
    }
  }

  /** Takes a dead letter that is replayed; false when there is no room for it: it stays where it is. */
  replay(msg: Msg, subject: string): boolean {
    if (this.count >= this.#parts.mostWaiting()) {
      return false;
    }
    this.take(coreMessage(msg, this.#parts.group, subject));
    return true;
  }

  take(message: Message): void {
    this.#parts.ends.step("received", message);
    this.#waiting.push({ message, attempt: 1, startedAt: Date.now(), isStarted: false });
    this.pump();
  }

  pump(): void {
    const most = this.#parts.concurrency();
    while (this.#running.size < most) {
      const inHand = this.#waiting.shift();
      if (inHand === undefined) {
        return;
      }
      this.#running.add(inHand);
      void this.#run(inHand);
    }
  }

  /** As an intake: what was received cannot be given back, and is handled. */
  stop(): void {
    this.#isClosed = true;
  }

  /** Resolves when all that was received is handled. */
  async drain(): Promise<void> {
    this.stop();
    await this.#unsubscribe();
    if (this.count > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    await this.#parts.letters.drain();
  }

  #receive(msg: Msg): void {
    const { mostWaiting, letters, group } = this.#parts;
    const message = coreMessage(msg, group);
    const isFull = this.count >= mostWaiting();
    if (isFull) {
      letters.lost(message, "no room", !this.#isFull);
    } else {
      this.take(message);
    }
    this.#isFull = isFull;
  }

  async #run(inHand: InHand): Promise<void> {
    const { contracts, contractNames, handlers, handler } = this.#parts;
    const { message } = inHand;
    const contract = message.headers["Muster-Contract"] || (contractNames()[0] ?? "");
    if (!contractNames().includes(contract)) {
      const error = `unknown contract ${contract}`;
      this.#fail(inHand, contract, { reason: "unknown_contract", errorClass: "UnknownContract", error });
      return this.#end(inHand);
    }
    const judge = contracts.loaded(contract) ?? (await contracts.verdict(contract).catch(() => undefined));
    if (judge === undefined) {
      const error = `contract ${contract} is not in the bucket`;
      this.#fail(inHand, contract, { reason: "unknown_contract", errorClass: "UnknownContract", error });
      return this.#end(inHand);
    }
    const verdict = judge(message.body);
    if (!verdict.ok) {
      this.#fail(inHand, contract, { reason: "invalid", errorClass: "InvalidMessage", error: verdict.error });
      return this.#end(inHand);
    }
    inHand.isStarted = true;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the JSON Schema has judged the value
    handlers.start(handler, verdict.value as never, inHand, {
      onEnd: (end) => {
        this.#settle(inHand, contract, end);
        this.#end(inHand);
      },
      onDeadline: (timeoutMs) => {
        const error = `handler exceeded ${timeoutMs} ms`;
        this.#fail(inHand, contract, { reason: "exhausted", errorClass: "DeadlineExceeded", error });
      },
      // Its dead letter is there already; the slot was taken until now.
      onLateEnd: () => this.#end(inHand),
    });
  }

  #settle(inHand: InHand, contract: string, end: HandleEnd): void {
    if (end.type === "threw") {
      const reason = end.thrown instanceof PermanentError ? "permanent" : "exhausted";
      this.#fail(inHand, contract, { reason, ...describeError(end.thrown) });
      return;
    }
    const result = encodeResult(end.value);
    if (result.ok) {
      this.#parts.ends.end(inHand, "done");
    } else {
      const { error } = result;
      this.#fail(inHand, contract, { reason: "permanent", errorClass: "InvalidResult", error });
    }
  }

  #fail(inHand: InHand, contract: string, failure: Failure): void {
    const { attempts, letters, ends } = this.#parts;
    const { message, startedAt } = inHand;
    const { reason, errorClass, error } = failure;
    // What never reached its handler has made no attempt.
    const hasStarted = reason === "permanent" || reason === "exhausted";
    const record = hasStarted
      ? attempts.withFailure(message, undefined, { startedAt, errorClass, error })
      : undefined;
    letters.send(message, failure, contract, record);
    ends.end(inHand, "dead", { reason, error });
  }

  #end(inHand: InHand): void {
    this.#running.delete(inHand);
    this.pump();
    if (this.count === 0) {
      for (const resolve of this.#idle.splice(0)) {
        resolve();
      }
    }
  }

  async #unsubscribe(): Promise<void> {
    const subscriptions = this.#subscriptions;
    this.#subscriptions = [];
    const { connection } = this.#parts;
    if (connection.isUp && subscriptions.length > 0) {
      await Promise.race([
        Promise.all(subscriptions.map((subscription) => subscription.drain())),
        connection.flush(2000),
      ]);
    }
  }
}
