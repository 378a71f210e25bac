import type { Ledger } from "./ledger.ts";
import { unseen } from "./ledger.ts";

/**
 * No ledger: at least once. A repeat cannot be told from a first delivery, so the handler is idempotent by itself.
 * The fastest.
 */
export const noLedger: Ledger = {
  kind: "none",
  looksUpFirst: false,
  lookUp: () => Promise.resolve(unseen),
  lookUpAgain: () => Promise.resolve(unseen),
  write: () => Promise.resolve(true),
  writeAll: (writes) => Promise.resolve(writes.map(() => true)),
  join: (_message, lookUp) => Promise.resolve(lookUp),
  transaction: () => undefined,
  isReachable: () => Promise.resolve(true),
  close: () => Promise.resolve(),
};
