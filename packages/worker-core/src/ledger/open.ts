import type { GroupSpec } from "@muster/contracts";
import type { Base } from "../base.ts";
import type { Metrics } from "../metrics.ts";
import { KvLedger } from "./kv.ts";
import type { Ledger } from "./ledger.ts";
import { NoLedger } from "./none.ts";

/** The ledger that the group's spec names. Throws `unreachable` or `ledger_schema` where it cannot be used yet. */
export async function openLedger(spec: GroupSpec, base: Base, metrics: Metrics): Promise<Ledger> {
  const { kv, config } = base;
  switch (spec.ledger) {
    case "none":
      return new NoLedger(kv, config);
    case "kv":
      return timed(new KvLedger(kv, config), metrics);
    case "postgres":
      return timed(await openPostgres(spec, base), metrics);
  }
}

async function openPostgres(spec: GroupSpec, { config, log, ...base }: Base): Promise<Ledger> {
  // Loaded only where a group uses it: the client costs every other worker time and memory at its start.
  const { PostgresLedger } = await import("./postgres.ts");
  const { stream, group, workerId, databaseUrl = "" } = config;
  const ackWaitMs = (): number => base.spec.last?.ack_wait_ms ?? spec.ack_wait_ms;
  const ledger = new PostgresLedger({ databaseUrl, stream, group, workerId, ackWaitMs, log });
  try {
    await ledger.migrate();
    return ledger;
  } catch (error) {
    await ledger.close();
    throw error;
  }
}

/** The same ledger, with its answers timed. */
function timed(ledger: Ledger, metrics: Metrics): Ledger {
  // `finally` of a promise would cost three more of them for each answer.
  const time = async <T>(op: "look_up" | "write", asked: Promise<T>): Promise<T> => {
    const startedAt = performance.now();
    try {
      return await asked;
    } finally {
      metrics.ledger(op, (performance.now() - startedAt) / 1000);
    }
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
