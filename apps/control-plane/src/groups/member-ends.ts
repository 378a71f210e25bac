// How silent members ended.
import { buckets } from "@muster/contracts";
import { getEntries } from "../nats/bucket.ts";
import type { Nats } from "../nats/connection.ts";
import { readMemberKeys } from "./members.ts";

/**
 * How those of the silent that have ended did, by key. One question for all of them tells who has a record, so that it
 * may come twice a second with thousands of them silent, as where a listener's watch stalls. Only for those without one
 * it is asked what is there instead, to tell a crash from a farewell that was not seen. Who has a record after all is
 * left out: it was written just now, has not expired yet at the server, or is not readable. Only what the server says:
 * in an outage nobody has ended.
 */
export async function endsOf(
  nats: Nats,
  silent: readonly string[],
): Promise<Map<string, "left" | "crashed">> {
  const ends = new Map<string, "left" | "crashed">();
  if (silent.length === 0) return ends;
  try {
    const there = await readMemberKeys(nats);
    const missing = silent.filter((key) => !there.has(key));
    const entries = await getEntries(nats, buckets.members, missing);
    for (const key of missing) {
      const entry = entries.get(key);
      if (entry?.value !== undefined) continue;
      ends.set(key, entry === undefined || entry.hasExpired ? "crashed" : "left");
    }
  } catch {
    // The next sweep asks again.
    return new Map();
  }
  return ends;
}
