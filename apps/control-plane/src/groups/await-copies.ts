// Waits until what is to have several copies in a cluster has them.
import { setTimeout as sleep } from "node:timers/promises";
import type { Nats } from "../nats/connection.ts";
import { pipelined } from "../pipelined.ts";
import { type Lack, lackOfConsumer, lackOfStream } from "./copies.ts";
import { listConsumers } from "./read-groups.ts";
import { findStream } from "./streams.ts";

/** How long an apply waits in all, in ms. Twelve streams that went from one copy to three took 14 to 25 s on one machine. */
export const COPIES_MS = 60_000;
/**
 * What is placed, and not up to date for longer, is on a server that is away: of one that was killed the others say only
 * minutes later that it is offline.
 */
const BEHIND_MS = 5000;
const LOOK_MS = 500;
const AT_ONCE = 8;

/** Whether the server is one of a cluster; alone there is nothing to wait for. */
export function isCluster({ nc }: Nats): boolean {
  return (nc.info?.cluster ?? "") !== "";
}

/**
 * Waits until the streams and all their consumers have their copies, and gives in words what lacks some at `until`, by
 * `performance.now()`, or some seconds after all are placed. A server that is lost before the copies are there takes the
 * stream with it until it is back, also where only a consumer has none yet. Never throws: what was made is made.
 */
export async function awaitCopies(nats: Nats, streams: readonly string[], until: number): Promise<string[]> {
  if (!isCluster(nats)) return [];
  let placingAt = performance.now();
  for (;;) {
    const looks = await pipelined(streams, AT_ONCE, (stream) => lackIn(nats, stream));
    const lacks = looks.filter((lack) => lack !== undefined);
    const now = performance.now();
    if (lacks.some(({ isPlacing }) => isPlacing)) placingAt = now;
    const isOver = now >= until || now - placingAt > BEHIND_MS || nats.nc.isClosed();
    if (isOver || lacks.length === 0) return lacks.map(({ words }) => words);
    await sleep(LOOK_MS);
  }
}

/** What the stream or its consumers lack; nothing too where it was deleted meanwhile. */
async function lackIn(nats: Nats, name: string): Promise<Pick<Lack, "words" | "isPlacing"> | undefined> {
  try {
    const stream = await findStream(nats, name);
    if (stream === undefined) return undefined;
    const lack = lackOfStream(stream);
    if (lack !== undefined) return { ...lack, words: `stream ${name} has ${lack.words}` };
    if (stream.config.num_replicas <= 1 || stream.state.consumer_count === 0) return undefined;
    const consumers = await listConsumers(nats, name);
    if (consumers.length < stream.state.consumer_count)
      return { words: `stream ${name} has a consumer that does not answer`, isPlacing: true };
    const lacking = consumers.flatMap((consumer) => {
      const ofOne = lackOfConsumer(consumer, stream.config);
      if (ofOne === undefined) return [];
      return { ...ofOne, words: `consumer ${consumer.name} of stream ${name} has ${ofOne.words}` };
    });
    const [first] = lacking.toSorted((a, b) => Number(b.isPlacing) - Number(a.isPlacing));
    if (first === undefined || lacking.length === 1) return first;
    return { ...first, words: `${first.words}, and ${lacking.length - 1} more of its consumers lack copies` };
  } catch (error) {
    return { words: `stream ${name} does not say how many copies it has: ${String(error)}`, isPlacing: true };
  }
}
