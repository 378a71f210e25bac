import type { Subscription } from "@nats-io/transport-node";
import type { Connection } from "./connection.ts";

/** A confirmation that has not come by then will not come: the ack or the answer was lost with a connection. */
const confirmMs = 5000;

/** An ack that waits for its answer. */
interface Waiting {
  readonly until: number;
  resolve: (() => void) | undefined;
}

/** Acks that the server answers, over one inbox. */
export class Confirms {
  readonly #inbox: string;
  readonly #connection: Connection;
  readonly #subscription: Subscription;
  /** By inbox, in the order they were sent. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #stopListening: () => void;
  #onEnd: () => void = () => undefined;
  #sweep: NodeJS.Timeout | undefined;
  #sent = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#inbox = connection.newInbox();
    this.#subscription = connection.nats.subscribe(`${this.#inbox}.*`, {
      callback: (error, msg) => (error === null ? this.#end(msg.subject) : undefined),
    });
    this.#stopListening = connection.onChange((isUp) => {
      if (!isUp) {
        this.#endAll();
      }
    });
  }

  /** Acks that wait. */
  get count(): number {
    return this.#waiting.size;
  }

  /** Calls back whenever a wait has ended. */
  onEnd(listener: () => void): void {
    this.#onEnd = listener;
  }

  /** Waits for one more; returns the subject that the server is to answer to. */
  add(): string {
    const own = `${this.#inbox}.${++this.#sent}`;
    this.#waiting.set(own, { until: performance.now() + confirmMs, resolve: undefined });
    this.#sweep ??= setTimeout(this.#endOverdue, confirmMs);
    return own;
  }

  /** Resolves when the youngest of those that wait has ended: the others then have their answers, or never will. */
  latest(): Promise<void> | undefined {
    const youngest = [...this.#waiting.values()].at(-1);
    if (youngest === undefined) {
      return undefined;
    }
    const earlier = youngest.resolve;
    return new Promise((resolve) => {
      youngest.resolve = () => {
        earlier?.();
        resolve();
      };
    });
  }

  close(): void {
    this.#stopListening();
    this.#endAll();
    if (!this.#connection.nats.isClosed()) {
      this.#subscription.unsubscribe();
    }
  }

  #end(own: string): void {
    const waiting = this.#waiting.get(own);
    if (this.#waiting.delete(own)) {
      waiting?.resolve?.();
      this.#onEnd();
    }
  }

  readonly #endOverdue = (): void => {
    for (const [own, { until }] of this.#waiting) {
      if (until > performance.now()) {
        break;
      }
      this.#end(own);
    }
    this.#sweep = this.#waiting.size > 0 ? setTimeout(this.#endOverdue, confirmMs) : undefined;
  };

  #endAll(): void {
    clearTimeout(this.#sweep);
    this.#sweep = undefined;
    for (const own of this.#waiting.keys()) {
      this.#end(own);
    }
  }
}
