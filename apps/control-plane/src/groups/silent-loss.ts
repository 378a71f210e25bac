// Settings with which a stream drops accepted messages, and tells nobody.
import type { GroupSpec } from "@muster/contracts";
import type { StreamConfig } from "@nats-io/jetstream";
import { fail } from "../errors.ts";
import { retrySpanMs } from "./retry-span.ts";

type Limits = Pick<
  StreamConfig,
  "discard" | "discard_new_per_subject" | "max_msgs" | "max_bytes" | "max_msgs_per_subject"
>;

/** The limits at which the stream drops its oldest messages; empty: it refuses new ones, or has none. */
export function droppingLimits(config: Limits): string[] {
  const isOld = config.discard === "old";
  const ofSubject = isOld || !config.discard_new_per_subject;
  return [
    ...(isOld && config.max_msgs > 0 ? [`max_msgs ${config.max_msgs}`] : []),
    ...(isOld && config.max_bytes > 0 ? [`max_bytes ${config.max_bytes}`] : []),
    ...(ofSubject && config.max_msgs_per_subject > 0
      ? [`max_msgs_per_subject ${config.max_msgs_per_subject}`]
      : []),
  ];
}

/** Throws `silent_loss` where messages of one of the groups may be dropped while they still wait for a retry. */
export function checkAge(stream: string, maxAgeMs: number, specs: readonly GroupSpec[]): void {
  if (maxAgeMs === 0) return;
  for (const spec of specs) {
    const spanMs = retrySpanMs(spec);
    if (maxAgeMs > spanMs) continue;
    throw fail(
      "silent_loss",
      `stream ${stream} would drop messages after ${maxAgeMs} ms, and those of group ${spec.group} may take ${spanMs} ms with all their retries: what still backs off would be neither done nor dead. Set max_age_ms above ${2 * spanMs}, or shorten the group's retries`,
    );
  }
}
