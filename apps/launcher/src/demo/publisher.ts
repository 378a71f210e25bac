import type { OrderEvent } from "@muster/contracts";
import type { JetStreamClient } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import { setTimeout as sleep } from "node:timers/promises";

/** A message to publish, byte for byte; `messageId` is its event's unless told otherwise. */
export type Outgoing = {
  eventId: string;
  event: OrderEvent;
  body: Uint8Array;
  messageId?: string;
  headers?: Readonly<Record<string, string>>;
};

/** Where orders go, and who hears of one that the stream did not confirm. */
export type PublisherOptions = { subjectRoot: string; signal: AbortSignal; fail: (error: Error) => void };

const IN_FLIGHT = 64;
const ANSWER_MS = 2000;
const RETRY_MS = 200;
const GIVE_UP_MS = 30_000;

/** Publishes orders in the background, as they are, byte for byte. */
export class Publisher {
  readonly #js: JetStreamClient;
  readonly #options: PublisherOptions;
  #confirmed = 0;

  constructor(js: JetStreamClient, options: PublisherOptions) {
    this.#js = js;
    this.#options = options;
  }

  /** Orders that the stream has confirmed so far. */
  get confirmed(): number {
    return this.#confirmed;
  }

  /** Begins to publish these, some at a time; `confirmed` tells how far it is. */
  publish(orders: readonly Outgoing[]): void {
    const queue = orders.values();
    const lane = async (): Promise<void> => {
      for (const order of queue) {
        await this.#publishOne(order);
        this.#confirmed++;
      }
    };
    Promise.all(Array.from({ length: IN_FLIGHT }, lane)).catch(this.#options.fail);
  }

  // What was not confirmed may be stored all the same: again under the same id, it is kept once.
  async #publishOne(order: Outgoing): Promise<void> {
    const { subjectRoot, signal } = this.#options;
    const subject = `${subjectRoot}.${order.event}`;
    const h = headers();
    h.set("Muster-Event-Id", order.eventId);
    h.set("Muster-Contract", "order.v1");
    for (const [name, value] of Object.entries(order.headers ?? {})) h.set(name, value);
    const msgID = order.messageId ?? order.eventId;
    const deadline = performance.now() + GIVE_UP_MS;
    for (;;) {
      signal.throwIfAborted();
      try {
        await this.#js.publish(subject, order.body, { msgID, headers: h, timeout: ANSWER_MS });
        return;
      } catch (cause) {
        if (performance.now() > deadline) {
          const waited = `${GIVE_UP_MS / 1000} s`;
          throw new Error(
            `${order.eventId} on ${subject} was not confirmed within ${waited}: ${String(cause)}`,
            { cause },
          );
        }
        await sleep(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }
}
