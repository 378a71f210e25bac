import type { Subscription } from "@nats-io/transport-node";
import type { Connection } from "./connection.ts";
import type { Source, SourceOptions } from "./source.ts";

/**
 * Takes what the server pushes to the group's deliver subject. There are no credits: what a member may hold is
 * bounded by the group's max_ack_pending alone, and one stuck member can hold all of it.
 * While it may not take messages it has no subscription, so the server gives them to the others.
 */
export class Push implements Source {
  readonly #connection: Connection;
  readonly #subject: string;
  readonly #group: string;
  readonly #options: SourceOptions;
  #subscription: Subscription | undefined;
  #isClosed = false;

  constructor(connection: Connection, subject: string, group: string, options: SourceOptions) {
    this.#connection = connection;
    this.#subject = subject;
    this.#group = group;
    this.#options = options;
  }

  wake(): void {
    const mayTake = !this.#isClosed && this.#options.mayPull();
    if (mayTake && this.#subscription === undefined) {
      this.#subscription = this.#connection.nats.subscribe(this.#subject, {
        queue: this.#group,
        callback: (error, msg) => {
          // Flow control and heartbeats of the server have no ack subject.
          if (error === null && msg.reply?.startsWith("$JS.ACK.")) {
            this.#options.onMessage(msg);
          }
        },
      });
    } else if (!mayTake && this.#subscription !== undefined) {
      void this.#unsubscribe();
    }
  }

  async drain(): Promise<void> {
    this.#isClosed = true;
    await this.#unsubscribe();
  }

  async #unsubscribe(): Promise<void> {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    if (subscription === undefined) {
      return;
    }
    if (this.#connection.isUp) {
      // Unsubscribes and flushes: afterwards nothing more can arrive.
      await Promise.race([subscription.drain(), this.#connection.flush(2000)]);
    } else {
      subscription.unsubscribe();
    }
  }
}
