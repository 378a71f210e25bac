// The server's own pause of a consumer, kept as the spec's: it holds for clients too that read no spec.
import type { GroupSpec } from "@muster/contracts";
import type { ConsumerInfo } from "@nats-io/jetstream";
import type { Nats } from "../nats/connection.ts";
import type { Difference } from "./plan-change.ts";

// The server wants an end, and a group stays paused until somebody resumes it.
const FAR = new Date("2200-01-01T00:00:00Z");

/** Where the consumer's pause is not the spec's. */
export function pauseDifferences(spec: GroupSpec, is: ConsumerInfo): Difference[] {
  const isPaused = is.paused === true;
  return isPaused === spec.paused ? [] : [{ field: "paused", is: isPaused, wanted: spec.paused }];
}

/** Pauses or resumes the group's consumer. Messages in flight stay with their members; nothing more is delivered. */
export async function pauseConsumer(nats: Nats, { stream, group, paused }: GroupSpec): Promise<void> {
  if (paused) await nats.jsm.consumers.pause(stream, group, FAR);
  else await nats.jsm.consumers.resume(stream, group);
}
