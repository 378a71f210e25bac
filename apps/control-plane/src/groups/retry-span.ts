// How long a message may be under way before it is done or dead.
import type { GroupSpec } from "@muster/contracts";

/** The longest time from a message's first attempt until a crash of its last is noticed, in milliseconds. */
export function retrySpanMs({
  retry,
  timeout_ms,
  ack_wait_ms,
}: Pick<GroupSpec, "retry" | "timeout_ms" | "ack_wait_ms">): number {
  let span = timeout_ms * retry.max_attempts + ack_wait_ms;
  for (let attempt = 1; attempt < retry.max_attempts; attempt++) {
    const step = Math.min(attempt, retry.backoff_ms.length) - 1;
    span += (retry.backoff_ms[step] ?? 0) * (1 + retry.jitter);
  }
  return Math.round(span);
}
