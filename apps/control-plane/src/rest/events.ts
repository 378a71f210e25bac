// What a subscription tells, as server-sent events that need no client of ours.
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Problem } from "./problem.ts";

const ALIVE = ": alive\n\n";
const ALIVE_MS = 15_000;
/** How long the first event is waited for before the stream begins: what fails at once still gets its status. */
const FIRST_MS = 250;

/**
 * Sends each as `data:` and a line of JSON, and a comment now and then, so that neither side takes silence for death.
 * What breaks it off is told as an `event: error` with the problem; before the first event it is thrown.
 */
export async function sendEvents(
  events: AsyncIterable<unknown>,
  response: ServerResponse,
  { signal, problemOf }: { signal: AbortSignal; problemOf: (error: unknown) => Problem },
): Promise<void> {
  const iterator = events[Symbol.asyncIterator]();
  let next = iterator.next();
  await Promise.race([next, new Promise((resolve) => setTimeout(resolve, FIRST_MS).unref())]);
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" });
  const alive = setInterval(() => response.write(ALIVE), ALIVE_MS);
  response.write(ALIVE);
  try {
    for (let item = await next; item.done !== true; item = await next) {
      if (signal.aborted) break;
      if (!response.write(`data: ${JSON.stringify(item.value)}\n\n`))
        await once(response, "drain", { signal });
      next = iterator.next();
    }
  } catch (error) {
    if (!signal.aborted) response.write(`event: error\ndata: ${JSON.stringify(problemOf(error))}\n\n`);
  } finally {
    clearInterval(alive);
    response.end();
    await iterator.return?.();
  }
}
