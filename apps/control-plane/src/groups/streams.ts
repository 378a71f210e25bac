// Streams as JetStream has them: look one up, make one, change one.
import { JetStreamApiError, type StreamConfig, type StreamInfo } from "@nats-io/jetstream";
import { fail } from "../errors.ts";
import type { Nats } from "../nats/connection.ts";

const NOT_FOUND = 10059;
const NAME_IN_USE = 10058;
const SUBJECTS_OVERLAP = new Set([10052, 10065]);

/** The stream, or nothing when there is none of that name. */
export async function findStream(nats: Nats, name: string): Promise<StreamInfo | undefined> {
  try {
    return await nats.jsm.streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NOT_FOUND) return undefined;
    throw error;
  }
}

/** The stream, or error `no_stream`. */
export async function getStream(nats: Nats, name: string): Promise<StreamInfo> {
  const info = await findStream(nats, name);
  if (info === undefined) throw fail("no_stream", `stream ${name} is not there; \`groups apply\` makes it`);
  return info;
}

/** Makes the stream; says "exists" when another apply made one of that name first. */
export async function createStream(
  nats: Nats,
  config: Partial<StreamConfig> & { name: string },
): Promise<"created" | "exists"> {
  try {
    await nats.jsm.streams.add(config);
    return "created";
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NAME_IN_USE) return "exists";
    throw inWords(config.name, error);
  }
}

/** Sends the changed fields of the stream's configuration. */
export async function updateStream(nats: Nats, name: string, changes: Partial<StreamConfig>): Promise<void> {
  try {
    await nats.jsm.streams.update(name, changes);
  } catch (error) {
    throw inWords(name, error);
  }
}

function inWords(name: string, error: unknown): unknown {
  if (error instanceof JetStreamApiError && SUBJECTS_OVERLAP.has(error.code)) {
    const text = `stream ${name} cannot have these subjects: another stream, or another subject of its own, overlaps them`;
    return fail("overlapping_subjects", `${text} (${error.message})`, error);
  }
  return error;
}
