// Publishing to a stream with 256 in flight: our publisher, validation and event id included, against js.publish.
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { OrderV1 } from "@muster/contracts";
import { Publisher } from "@muster/worker-core";
import type { Lab } from "./lab.ts";
import { orderText } from "./lab.ts";

const inFlight = 256;
const order = OrderV1.parse(JSON.parse(orderText));
let count = 0;

/** Messages per second of js.publish. */
export function runJsPublish(lab: Lab, messages: number): Promise<number> {
  return withStream(lab, messages, async (client, subject) => {
    const js = jetstream(client);
    return (n) => js.publish(subject, orderText, { msgID: `${subject}.${n}` });
  });
}

/** Messages per second of our publisher. */
export function runPublisher(lab: Lab, messages: number): Promise<number> {
  return withStream(lab, messages, async (nats, subject) => {
    const publisher = new Publisher({ nats, contract: OrderV1, maxInFlight: inFlight });
    return (n) => publisher.publish(subject, order, { eventId: `${subject}.${n}` });
  });
}

async function withStream(
  lab: Lab,
  messages: number,
  open: (
    client: Awaited<ReturnType<typeof connect>>,
    subject: string,
  ) => Promise<(n: number) => Promise<unknown>>,
): Promise<number> {
  const manager = await jetstreamManager(lab.nc);
  const stream = `P${++count}`;
  await manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
  const client = await connect({ servers: lab.url });
  const publish = await open(client, `${stream}.created`);
  let next = 0;
  const startedAt = performance.now();
  const loop = async (): Promise<void> => {
    while (next < messages) await publish(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const rate = (1000 * messages) / (performance.now() - startedAt);
  await client.close();
  await manager.streams.delete(stream);
  return rate;
}
