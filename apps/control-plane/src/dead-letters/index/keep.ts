// Builds the indexes before somebody asks, and takes out now and then what is gone.
import { setTimeout as sleep } from "node:timers/promises";
import { readSpecs } from "../../groups/specs.ts";
import type { Log } from "../../log.ts";
import type { NatsLink } from "../../nats/connection.ts";
import { deadLetterIndex } from "./registry.ts";

const ROUND_MS = 30_000;
const NOT_CONNECTED_MS = 250;

/** Keeps an index for each stream that has a group, until the signal aborts. */
export async function keepIndexes(link: NatsLink, log: Log, signal: AbortSignal): Promise<void> {
  const announced = new Set<string>();
  while (!signal.aborted) {
    if (link.isUp)
      await lookAtAll(link, log, announced).catch((error: unknown) => {
        if (link.isUp && !signal.aborted)
          log.warn({ error: String(error) }, "dead-letter indexes cannot be kept");
      });
    await sleep(link.isUp ? ROUND_MS : NOT_CONNECTED_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function lookAtAll(link: NatsLink, log: Log, announced: Set<string>): Promise<void> {
  const nats = link.current();
  const streams = new Set((await readSpecs(nats)).map(({ spec }) => spec.stream));
  // One by one: a hundred streams are no reason to ask the server a hundred things at once.
  for (const stream of streams) {
    const startedAt = performance.now();
    try {
      const index = deadLetterIndex(nats, stream);
      await index.complete();
      const { letters } = await index.view("exact");
      if (announced.has(stream)) continue;
      announced.add(stream);
      log.info(
        {
          stream,
          letters: letters.live,
          bytes: letters.bytes,
          ms: Math.round(performance.now() - startedAt),
        },
        "dead-letter index is ready",
      );
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "no_stream")) throw error;
    }
  }
}
