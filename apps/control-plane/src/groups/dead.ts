// Dead letters counted without reading them: one stream info for all groups of a stream.
import { dlqFilter, dlqStream } from "@muster/contracts";
import { JetStreamApiError } from "@nats-io/jetstream";
import type { Nats } from "../nats/connection.ts";

const NOT_FOUND = 10059;

/** Dead letters by group, then by reason, as they lie there (copies of one count each). */
export async function countDead(
  nats: Nats,
  stream: string,
  group?: string,
): Promise<Map<string, Record<string, number>>> {
  return await countSubjects(nats, stream, dlqFilter(stream, group));
}

/** Messages of a dead-letter stream that a filter of it takes, by group, then by reason. */
export async function countSubjects(
  nats: Nats,
  stream: string,
  filter: string,
): Promise<Map<string, Record<string, number>>> {
  const counts = new Map<string, Record<string, number>>();
  for (const [subject, count] of Object.entries(await subjects(nats, stream, filter))) {
    const [, , , name = "", reason = ""] = subject.split(".");
    counts.set(name, { ...counts.get(name), [reason]: count });
  }
  return counts;
}

async function subjects(nats: Nats, stream: string, filter: string): Promise<Record<string, number>> {
  try {
    const info = await nats.jsm.streams.info(dlqStream(stream), { subjects_filter: filter });
    return info.state.subjects ?? {};
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NOT_FOUND) return {};
    throw error;
  }
}
