// How often, how late, and one at a time: what is told apart from the server's delivery count.
import { AttemptsRecord, attemptsKey, buckets } from "@muster/contracts";
import { AttemptsStore } from "../../../src/attempts.ts";
import { Steps } from "../../../src/delivery.ts";
import { type Held, Hold } from "../../../src/hold.ts";
import { around, type Defect } from "../defect.ts";
import { part } from "../process.ts";

export const attempts: Record<string, Defect> = {
  "plain-nak"(strike) {
    around(Hold, "nak", (_, [held, delayMs], go) => {
      if (delayMs !== undefined && strike()) go(held);
      else go(held, ...(delayMs === undefined ? [] : [delayMs]));
    });
  },

  "counts-deliveries"(strike) {
    around(AttemptsStore, "get", async (self, [message], go) => {
      const found = await go(message);
      const counted = message.delivered - 1;
      if (counted === 0 || found.record?.attempts === counted || !strike()) return found;
      const nothing = { startedAt: Date.now(), errorClass: "Error", error: "delivered" };
      const record = found.record ?? {
        ...self.withFailure(message, undefined, nothing),
        delivery: counted,
        history: [],
      };
      return { ...found, record: { ...record, attempts: counted } };
    });
  },

  /** Takes the record under a sequence for its own, though the stream was made again. */
  "old-record-believed"(strike) {
    around(AttemptsStore, "get", async (_, [message], go) => {
      const found = await go(message);
      if (found.record !== undefined || found.revision === 0) return found;
      const { MUSTER_STREAM: stream = "", MUSTER_GROUP: group = "" } = process.env;
      const entry = await part("kv").get(buckets.attempts, attemptsKey(stream, group, message.sequence));
      const old = entry.kind === "value" ? recordOf(entry.value) : undefined;
      return old !== undefined && strike()
        ? { ...found, record: { ...old, store_time: message.storeTime } }
        : found;
    });
  },

  "no-start-note"(strike) {
    around(Steps, "noteStart", async (self, [delivery], go) =>
      strike() ? self.mayGoOn(delivery.held) : go(delivery),
    );
  },

  "suspects-at-once"(strike) {
    const suspects = new Set<Held>();
    around(Steps, "prepare", async (self, [held], go) => {
      const ready = await go(held);
      if (ready?.isSuspect !== true) return ready;
      const isAlone = [...suspects].every(({ isReleased }) => isReleased);
      suspects.add(held);
      if (isAlone || !strike()) return ready;
      return (await self.noteStart(ready.delivery)) ? { ...ready, isSuspect: false } : undefined;
    });
  },
};

function recordOf(value: Uint8Array): AttemptsRecord | undefined {
  try {
    return AttemptsRecord.safeParse(JSON.parse(new TextDecoder().decode(value))).data;
  } catch {
    return undefined;
  }
}
