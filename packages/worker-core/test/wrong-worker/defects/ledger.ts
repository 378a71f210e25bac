// What a row decides, and whose it is; the mistakes are in the ledger of kind `kv`, where no other kind is named.
import { buckets, decideRow, LedgerRow, ledgerKey, rowKnows } from "@muster/contracts";
import { Dead } from "../../../src/dead.ts";
import { KvLedger } from "../../../src/ledger/kv.ts";
import type { Message } from "../../../src/message.ts";
import { around, type Defect } from "../defect.ts";
import { part } from "../process.ts";

export const ledger: Record<string, Defect> = {
  "repeat-runs-again"(strike) {
    around(KvLedger, "lookUp", async (_, [message], go) => {
      const found = await go(message);
      return found.decision === "repeat" && strike() ? { ...found, decision: "run" as const } : found;
    });
  },

  /** With every ledger: the row becomes that of the message that conflicts with it. */
  "conflict-overwrites"(strike) {
    around(Dead, "decided", (self, [delivery], go) => {
      if (delivery.lookUp.decision !== "conflict" || !strike()) return go(delivery);
      const error = "event id was already settled with another body";
      return self.dead(delivery, { reason: "conflict", errorClass: "Conflict", error }, undefined);
    });
  },

  "stale-not-joined"(strike) {
    around(KvLedger, "join", async (_, [message, lookUp], go) => {
      const { decision, row } = lookUp;
      const isToJoin = decision === "stale" && row !== undefined && !rowKnows(row, message);
      return isToJoin && strike() ? lookUp : go(message, lookUp);
    });
  },

  /** Knows a message by its sequence alone, which a stream that is made again gives a second time. */
  "finish-by-sequence"(strike) {
    around(KvLedger, "lookUp", async (_, [message], go) => {
      const found = await go(message);
      const { row } = found;
      const isOther = row?.sequence === message.sequence && row.store_time !== message.storeTime;
      return isOther && row.status === "dead" && strike() ? { ...found, decision: "finish" as const } : found;
    });
  },

  /** Keys without the group: the row of any group of the stream is taken for its own. */
  "ledger-without-group"(strike) {
    around(KvLedger, "lookUp", async (_, [message], go) => {
      const found = await go(message);
      if (found.revision > 0) return found;
      const row = await rowOfAnyGroup(message);
      return row !== undefined && strike() ? { decision: decideRow(row, message), row, revision: 0 } : found;
    });
  },
};

async function rowOfAnyGroup(message: Message): Promise<LedgerRow | undefined> {
  const { MUSTER_STREAM: stream = "", MUSTER_API_PREFIX: prefix } = process.env;
  // A member that may do little may not ask this, and is alone on its stream.
  if (prefix !== undefined) return undefined;
  const key = ledgerKey(stream, "*", message.eventId);
  const ask = JSON.stringify({ last_by_subj: `$KV.${buckets.ledger}.${key}` });
  const answer = await part("wire").request(`$JS.API.DIRECT.GET.KV_${buckets.ledger}`, ask);
  try {
    return LedgerRow.parse(JSON.parse(answer.string()));
  } catch {
    return undefined;
  }
}
