import type { GroupSpec } from "@muster/contracts";
import type { Base } from "../base.ts";
import type { Metrics } from "../metrics.ts";
import { KvLedger } from "./kv.ts";
import type { Ledger } from "./ledger.ts";
import { noLedger } from "./none.ts";

/** The ledger that the group's spec names. */
export function openLedger(kind: GroupSpec["ledger"], base: Base, metrics: Metrics): Ledger {
  switch (kind) {
    case "none":
      return noLedger;
    case "kv":
      return timed(new KvLedger(base.kv, base.config), metrics);
    case "postgres":
      throw new Error("postgres is opened elsewhere");
  }
}

/** The same ledger, with its answers timed. */
function timed(ledger: Ledger, metrics: Metrics): Ledger {
  const time = <T>(op: "look_up" | "write", asked: Promise<T>): Promise<T> => {
    const startedAt = performance.now();
    return asked.finally(() => metrics.ledger(op, (performance.now() - startedAt) / 1000));
  };
  return {
    kind: ledger.kind,
    looksUpFirst: ledger.looksUpFirst,
    lookUp: (message) => time("look_up", ledger.lookUp(message)),
    lookUpAgain: (message, after) => time("look_up", ledger.lookUpAgain(message, after)),
    write: (write, tx) => time("write", ledger.write(write, tx)),
    writeAll: (writes, tx) => time("write", ledger.writeAll(writes, tx)),
    join: (message, lookUp) => ledger.join(message, lookUp),
    transaction: () => ledger.transaction(),
    isReachable: () => ledger.isReachable(),
    close: () => ledger.close(),
  };
}
