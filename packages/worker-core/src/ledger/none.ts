import { buckets } from "@muster/contracts";
import type { WorkerConfig } from "../config.ts";
import type { Kv } from "../kv.ts";
import type { Message } from "../message.ts";
import type { Ledger, LookUp, RowWrite } from "./ledger.ts";
import { unseen } from "./ledger.ts";

/**
 * No ledger: at least once. A repeat cannot be told from a first delivery, so the handler is idempotent by itself.
 * The fastest.
 */
export class NoLedger implements Ledger {
  readonly kind = "none";
  readonly looksUpFirst = false;
  readonly #kv: Kv;
  readonly #config: WorkerConfig;

  constructor(kv: Kv, config: WorkerConfig) {
    this.#kv = kv;
    this.#config = config;
  }

  lookUp(): Promise<LookUp> {
    return Promise.resolve(unseen);
  }

  lookUpAgain(): Promise<LookUp> {
    return Promise.resolve(unseen);
  }

  write(): Promise<boolean> {
    return Promise.resolve(true);
  }

  writeAll(writes: readonly RowWrite[]): Promise<boolean[]> {
    return Promise.resolve(writes.map(() => true));
  }

  join(_message: Message, lookUp: LookUp): Promise<LookUp> {
    return Promise.resolve(lookUp);
  }

  transaction(): undefined {
    return undefined;
  }

  /** The attempts records are all that such a group needs beside its stream. */
  async isReachable(): Promise<boolean> {
    const { stream, group } = this.#config;
    try {
      await this.#kv.get(buckets.attempts, `${stream}.${group}.0`);
      return true;
    } catch {
      return false;
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
