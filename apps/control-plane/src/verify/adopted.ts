// Up to where others settled the messages of a stream that Muster may not mark: it was adopted read-only. Pure.
import { compareStoreTimes } from "../nats/store-time.ts";

/** What is known of a message, wherever it is now. */
export type Known = { seq: number; storeTime: string };

/**
 * The sequence before the first message that is known to have come after Muster did, at `since`; 0 where Muster was
 * there before the stream. What is missing up to there may have been settled by others, and what is missing behind it
 * may not. Nothing known since: all of it.
 */
export function adoptedAt(
  since: string | undefined,
  { created, lastSeq }: { created: string; lastSeq: number },
  known: Iterable<Known>,
): number {
  if (since === undefined || compareStoreTimes(since, created) <= 0) return 0;
  let first = lastSeq + 1;
  for (const { seq, storeTime } of known)
    if (seq < first && compareStoreTimes(storeTime, since) >= 0) first = seq;
  return first - 1;
}
