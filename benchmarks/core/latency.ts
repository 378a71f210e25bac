// Time from publish to handler at a steady 1000 messages a second, when nothing waits.
import { jetstream } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { z } from "zod";
import { createLog, Worker } from "@muster/worker-core";
import type { Lab, Loaded } from "./lab.ts";
import { orderText } from "./lab.ts";
import { configOf } from "./ours.ts";

/** Milliseconds at the median and at the 99th percentile. */
export type Latency = { p50: number; p99: number };

const perSecond = 1000;
const warmUp = 500;

/** The raw iterator's. */
export async function rawLatency(_: Lab, loaded: Loaded, messages: number): Promise<Latency> {
  const client = await connect({ servers: loaded.url });
  const consumer = await jetstream(client).consumers.get(loaded.stream, loaded.group);
  const times: number[] = [];
  const iterator = await consumer.consume({ max_messages: 1000 });
  const publishing = publishSteadily(client, loaded, messages);
  for await (const message of iterator) {
    times.push(performance.now() - Number(message.headers?.get("Sent")));
    message.ack();
    if (times.length === messages) break;
  }
  await publishing;
  await client.close();
  return summary(times);
}

/** The worker's, with all parts. */
export async function workerLatency(_: Lab, loaded: Loaded, messages: number): Promise<Latency> {
  const client = await connect({ servers: loaded.url });
  const times: number[] = [];
  const done = Promise.withResolvers<void>();
  const config = configOf(loaded);
  await using worker = new Worker({
    contract: z.unknown(),
    config,
    log: createLog(config),
    handler: (_body, context) => {
      times.push(performance.now() - Number(context.headers["Sent"]));
      if (times.length === messages) done.resolve();
    },
  });
  await worker.start();
  await publishSteadily(client, loaded, messages);
  await done.promise;
  await client.close();
  return summary(times);
}

async function publishSteadily(client: NatsConnection, loaded: Loaded, messages: number): Promise<void> {
  const { headers } = await import("@nats-io/transport-node");
  const startedAt = performance.now();
  for (let sent = 0; sent < messages; ) {
    const due = Math.min(messages, Math.floor(((performance.now() - startedAt) * perSecond) / 1000));
    for (; sent < due; sent++) {
      const head = headers();
      head.set("Sent", String(performance.now()));
      client.publish(`${loaded.stream}.created`, orderText, { headers: head });
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function summary(times: readonly number[]): Latency {
  const sorted = times.slice(warmUp).toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}
