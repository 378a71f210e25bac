// How long the oldest message that nobody has taken yet has been waiting.
import type { Group } from "../groups/read-groups.ts";
import type { Nats } from "../nats/connection.ts";
import { filtersOf } from "../groups/consumer-config.ts";
import { scanStream } from "../nats/scan.ts";

/** Seconds; 0 where nothing waits. By the clock of this process, so a clock that is behind gives 0. */
export async function oldestWaitingSeconds(nats: Nats, { spec, consumer }: Group): Promise<number> {
  if (consumer === undefined || consumer.num_pending === 0) return 0;
  const from = consumer.delivered.stream_seq + 1;
  let oldest = Number.POSITIVE_INFINITY;
  // One after the other: who asks for many groups says how many questions are out at once.
  for (const filter of filtersOf(spec))
    oldest = Math.min(oldest, await storedAtMs(nats, spec.stream, from, filter));
  return Math.max(0, (Date.now() - oldest) / 1000);
}

/** When the first message of the filter was stored, or infinity where there is none. */
async function storedAtMs(nats: Nats, stream: string, from: number, filter: string): Promise<number> {
  for await (const { storeTime } of scanStream(nats, stream, { from, filter, batch: 1 }))
    return Number(BigInt(storeTime) / 1_000_000n);
  return Number.POSITIVE_INFINITY;
}
