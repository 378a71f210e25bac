// How long the oldest message that nobody has taken yet has been waiting.
import type { Group } from "../groups/read-groups.ts";
import type { Nats } from "../nats/connection.ts";
import { filtersOf } from "../groups/consumer-config.ts";
import { scanStream } from "../nats/scan.ts";

/** Seconds; 0 where nothing waits. By the clock of this process, so a clock that is behind gives 0. */
export async function oldestWaitingSeconds(nats: Nats, { spec, consumer }: Group): Promise<number> {
  if (consumer === undefined || consumer.num_pending === 0) return 0;
  const from = consumer.delivered.stream_seq + 1;
  const firsts = await Promise.all(
    filtersOf(spec).map(async (filter) => {
      for await (const { storeTime } of scanStream(nats, spec.stream, { from, filter, batch: 1 }))
        return Number(BigInt(storeTime) / 1_000_000n);
      return Number.POSITIVE_INFINITY;
    }),
  );
  return Math.max(0, (Date.now() - Math.min(...firsts)) / 1000);
}
