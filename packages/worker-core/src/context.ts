import type { AttemptEntry, AttemptsRecord } from "@muster/contracts";
import { MusterError } from "@muster/contracts";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Transaction } from "./ledger/ledger.ts";
import type { Logger } from "./log.ts";
import type { Message } from "./message.ts";

/** What a handler is told beside its message. */
export interface Context {
  /** The business identity: the same in every attempt, redelivery and replay. Make outside effects idempotent by it. */
  readonly eventId: string;
  /** 1 at the first time. */
  readonly attempt: number;
  /** Earlier attempts and snoozes, oldest first, the last 20 at most. */
  readonly history: readonly AttemptEntry[];
  /** The original subject, also in a replay. */
  readonly subject: string;
  /** Of a header given twice, the last value. */
  readonly headers: Readonly<Record<string, string>>;
  /** In the stream; 0 in a core queue group, which has none. */
  readonly sequence: number;
  /** How often it was replayed from the dead letters. */
  readonly replayNumber: number;
  /** Aborts at the deadline (`timeout_ms` of the group) and when the process is forced to stop. */
  readonly signal: AbortSignal;
  /** Its lines carry the message's `seq`, `event_id` and `attempt`. */
  readonly log: Logger;
  /** For requests of the handler's own. */
  readonly nats: NatsConnection;
  /**
   * The transaction that ends with the ledger row: what it does and the row are both there, or none is. Opens with
   * its first query. Only with ledger `postgres`; elsewhere using it throws a MusterError `no_transaction`.
   */
  readonly tx: Transaction;
}

/** A message on its way to its handler. */
export interface Handled {
  readonly message: Message;
  /** The attempt the handler is in, 1-based. */
  attempt: number;
  /** True once the handler was started: what dies before that was no attempt of this delivery. */
  isStarted?: boolean;
  /** Undefined until it was needed. */
  attempts?: { readonly record: AttemptsRecord | undefined } | undefined;
  tx?: Transaction | undefined;
}

/** What all contexts of a worker share. */
export interface ContextParts {
  readonly nats: NatsConnection;
  readonly log: Logger;
}

/** The context of one start of the handler; its parts are made when they are asked for. */
export class HandlerContext implements Context {
  /** The parsed message, for a batch handler. */
  readonly value: unknown;
  readonly #delivery: Handled;
  readonly #parts: ContextParts;
  #controller: AbortController | undefined;
  #abortReason: unknown;
  #isAborted = false;
  #log: Logger | undefined;

  constructor(delivery: Handled, parts: ContextParts, value?: unknown) {
    this.value = value;
    this.#delivery = delivery;
    this.#parts = parts;
  }

  get eventId(): string {
    return this.#delivery.message.eventId;
  }

  get attempt(): number {
    return this.#delivery.attempt;
  }

  get history(): readonly AttemptEntry[] {
    return this.#delivery.attempts?.record?.history ?? [];
  }

  get subject(): string {
    return this.#delivery.message.subject;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#delivery.message.headers;
  }

  get sequence(): number {
    return this.#delivery.message.sequence;
  }

  get replayNumber(): number {
    return this.#delivery.message.replayNumber;
  }

  get nats(): NatsConnection {
    return this.#parts.nats;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) {
        this.#controller.abort(this.#abortReason);
      }
    }
    return this.#controller.signal;
  }

  get log(): Logger {
    const { sequence: seq, eventId: event_id, attempt } = this;
    this.#log ??= this.#parts.log.child({ seq, event_id, attempt });
    return this.#log;
  }

  get tx(): Transaction {
    if (this.#delivery.tx === undefined) {
      throw new MusterError(
        "no_transaction",
        "context.tx needs a group with ledger postgres: this group's ledger has no transactions",
      );
    }
    return this.#delivery.tx;
  }

  /** Aborts the signal; one that was not asked for yet is aborted from the start. */
  abort(reason: unknown): void {
    this.#isAborted = true;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }
}
