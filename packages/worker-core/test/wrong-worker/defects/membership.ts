// The member's record: kept, its own, and gone when it leaves.
import { buckets } from "@muster/contracts";
import { Kv } from "../../../src/kv.ts";
import { Membership } from "../../../src/member.ts";
import { around, type Defect } from "../defect.ts";

export const membership: Record<string, Defect> = {
  "no-heartbeat"(strike) {
    let isClaimed = false;
    const noted = (claim: "claimed" | "taken" | "unreachable") => {
      isClaimed ||= claim === "claimed";
      return claim;
    };
    around(Membership, "claim", async (_, args, go) => noted(await go(...args)));
    around(Membership, "beat", async (_, args, go) => (isClaimed && strike() ? "claimed" : go(...args)));
  },

  "live-id-taken-over"(strike) {
    around(Kv, "create", async (self, [bucket, key, value], go) => {
      const put = await go(bucket, key, value);
      if (put.ok || bucket !== buckets.members || !strike()) return put;
      const { revision } = await self.get(bucket, key);
      return self.put(bucket, key, value, revision);
    });
  },

  "lost-id-not-noticed"(strike) {
    around(Membership, "beat", async (_, args, go) => {
      const claim = await go(...args);
      return claim === "taken" && strike() ? "claimed" : claim;
    });
  },
};
