// What most people write, and what everything here is measured against: the client's iterator with plain acks.
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { Lab, Loaded } from "./lab.ts";

/** Messages per second of the raw iterator, from the first message to the last ack. */
export async function runRaw(lab: Lab, loaded: Loaded): Promise<number> {
  const client = await connect({ servers: loaded.url });
  const consumer = await jetstream(client).consumers.get(loaded.stream, loaded.group);
  let count = 0;
  let startedAt = 0;
  for await (const message of await consumer.consume({ max_messages: 1000 })) {
    if (count === 0) startedAt = performance.now();
    message.ack();
    count += 1;
    if (count === loaded.messages) break;
  }
  await client.flush();
  await lab.acked(loaded);
  const rate = (1000 * count) / (performance.now() - startedAt);
  await client.close();
  return rate;
}

/** The client's limit: the same with a callback for each message, whose acks leave together. */
export async function runRawCallback(lab: Lab, loaded: Loaded): Promise<number> {
  const client = await connect({ servers: loaded.url, noAsyncTraces: true });
  const consumer = await jetstream(client).consumers.get(loaded.stream, loaded.group);
  const done = Promise.withResolvers<void>();
  let count = 0;
  let startedAt = 0;
  await consumer.consume({
    max_messages: 1000,
    callback: (message) => {
      if (count === 0) startedAt = performance.now();
      message.ack();
      count += 1;
      if (count === loaded.messages) done.resolve();
    },
  });
  await done.promise;
  await client.flush();
  await lab.acked(loaded);
  const rate = (1000 * count) / (performance.now() - startedAt);
  await client.close();
  return rate;
}
