// Orders that go on while servers die: each is sent until it is known to be stored.
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/transport-node";

/** What is being published. */
export type Load = {
  /** How often an order was sent again. */
  readonly retries: number;
  /** Whether an order was taken a moment ago. */
  isFlowing(): boolean;
  /** From now on: when an order that was sent later was taken, and what had been published before. */
  mark(): { resumedAfterMs(): number | undefined; published(): ReadonlySet<string> };
  /** Event ids of all orders, and how often each was sent. */
  stop(): Promise<ReadonlyMap<string, number>>;
};

/** Publishes orders one after another, each until it has its PubAck. */
export function publishAll(nc: NatsConnection): Load {
  const js = jetstream(nc, { timeout: 1000 });
  const published = new Map<string, number>();
  let retries = 0;
  const stopping = new AbortController();
  /** The last attempt that was answered: when it began, and when it had its PubAck. */
  let last = { beganAt: 0, at: 0 };
  const send = async (n: number): Promise<void> => {
    const id = `o${n}`;
    const order = { id, customer: "ada", amount: 1, status: "pending", created_at: "2026-01-02T03:04:05Z" };
    const about = headers();
    about.set("Muster-Event-Id", `${id}.created`);
    for (let count = 1; ; count++) {
      published.set(`${id}.created`, count);
      const beganAt = performance.now();
      try {
        await js.publish("orders.created", JSON.stringify(order), { msgID: `${id}.created`, headers: about });
        last = { beganAt, at: performance.now() };
        return;
      } catch {
        // Not known whether it is stored: the same again, under the same id.
        retries += 1;
        await sleep(50);
      }
    }
  };
  const run = async (lane: number): Promise<void> => {
    for (let n = lane; !stopping.signal.aborted; n += lanes) {
      await send(n);
      await sleep(20);
    }
  };
  const lanes = 4;
  const running = Promise.all(Array.from({ length: lanes }, (_, lane) => run(lane)));
  return {
    get retries() {
      return retries;
    },
    isFlowing: () => performance.now() - last.at < 200,
    mark() {
      const at = performance.now();
      const before = new Set(published.keys());
      return {
        resumedAfterMs: () => (last.beganAt > at ? last.at - at : undefined),
        published: () => before,
      };
    },
    async stop(): Promise<ReadonlyMap<string, number>> {
      stopping.abort();
      await running;
      return published;
    },
  };
}
