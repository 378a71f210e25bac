// A consumer that gets further subjects goes on from its place: what lies before it, it would never deliver.
import type { GroupSpec } from "@muster/contracts";
import type { ConsumerInfo } from "@nats-io/jetstream";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";
import { scanStream } from "../nats/scan.ts";
import { filtersOf, filtersOfConsumer } from "./consumer-config.ts";
import { isCovered } from "./subjects.ts";

/** Messages looked at for each subject; behind them, what was not looked at counts as skipped. */
const MOST_LOOKED_AT = 1000;

/**
 * Throws `skips_messages` where messages of a work queue would be left behind by the update: in the stream, delivered
 * to nobody, in no count. Elsewhere a group that gets a subject late begins with what comes, and can be reset.
 */
export async function checkPlace(nats: Nats, spec: GroupSpec, found: ConsumerInfo): Promise<void> {
  const upTo = found.delivered.stream_seq;
  const had = filtersOfConsumer(found.config);
  for (const filter of filtersOf(spec).filter((wanted) => !isCovered(had, wanted))) {
    const skipped = await firstSkipped(nats, spec.stream, { filter, had, upTo });
    if (skipped === undefined) continue;
    throw fail(
      "skips_messages",
      `consumer ${spec.group} of stream ${spec.stream} is at sequence ${upTo} and would never deliver what lies before it of ${filter}, such as message ${skipped}. Drain the group's members, delete the group (messages stay) and apply it again: a new consumer gets all that is not settled. Or give ${filter} to a group of its own`,
    );
  }
}

async function firstSkipped(
  nats: Nats,
  stream: string,
  { filter, had, upTo }: { filter: string; had: readonly string[]; upTo: number },
): Promise<number | undefined> {
  let looked = 0;
  if (upTo === 0) return undefined;
  for await (const { seq, subject } of scanStream(nats, stream, { filter, from: 1, upTo })) {
    // What it took already is in flight.
    if (!isCovered(had, subject) || ++looked > MOST_LOOKED_AT) return seq;
  }
  return undefined;
}
