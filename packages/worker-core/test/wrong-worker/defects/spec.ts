// The group's spec and its contracts, as they are and as they change.
import { buckets } from "@muster/contracts";
import { Kv, type KvEntry } from "../../../src/kv.ts";
import { around, type Defect } from "../defect.ts";
import { part } from "../process.ts";

export const spec: Record<string, Defect> = {
  /** Stays with the first spec that it could use. */
  "spec-not-live"(strike) {
    let latest: KvEntry | undefined;
    let first: KvEntry | undefined;
    around(Kv, "get", async (_, [bucket, key], go) => {
      if (bucket === buckets.groups && part("spec").last !== undefined) first ??= latest;
      const entry = await go(bucket, key);
      if (bucket !== buckets.groups || entry.kind !== "value") return entry;
      if (first !== undefined && first.revision !== entry.revision && strike()) return first;
      latest = entry;
      return entry;
    });
  },
};
