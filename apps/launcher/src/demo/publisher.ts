import type { JetStreamClient } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import { setTimeout as sleep } from "node:timers/promises";
import type { DemoOrder } from "./orders.ts";

/** Publishing in the course of being done. */
export type Publisher = {
  /** Orders that the stream has confirmed so far. */
  readonly confirmed: number;
  /** Resolves when all are confirmed. */
  readonly finished: Promise<void>;
};

const IN_FLIGHT = 64;
const ANSWER_MS = 2000;
const RETRY_MS = 200;
const GIVE_UP_MS = 30_000;

/**
 * Publishes the orders as they are, byte for byte, some at a time. What was not confirmed is
 * published again under the same `Nats-Msg-Id`, so that the stream keeps it once.
 */
export function publishOrders(
  js: JetStreamClient,
  orders: readonly DemoOrder[],
  { subjectRoot, signal }: { subjectRoot: string; signal: AbortSignal },
): Publisher {
  let confirmed = 0;
  const queue = orders.values();
  const lane = async (): Promise<void> => {
    for (const order of queue) {
      await publish(js, `${subjectRoot}.${order.event}`, order, signal);
      confirmed++;
    }
  };
  const finished = Promise.all(Array.from({ length: IN_FLIGHT }, lane)).then(() => undefined);
  // Awaited later; until then a failure must not end the process.
  finished.catch(() => undefined);
  return {
    finished,
    get confirmed() {
      return confirmed;
    },
  };
}

async function publish(
  js: JetStreamClient,
  subject: string,
  order: DemoOrder,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + GIVE_UP_MS;
  for (;;) {
    signal.throwIfAborted();
    try {
      const h = headers();
      h.set("Muster-Event-Id", order.eventId);
      h.set("Muster-Contract", "order.v1");
      await js.publish(subject, order.body, { msgID: order.eventId, headers: h, timeout: ANSWER_MS });
      return;
    } catch (cause) {
      if (performance.now() > deadline) {
        throw new Error(
          `publishing ${order.eventId} to ${subject} was not confirmed within ${GIVE_UP_MS / 1000} s: ${String(cause)}`,
          { cause },
        );
      }
      await sleep(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}
