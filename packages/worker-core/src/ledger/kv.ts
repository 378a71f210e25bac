import {
  buckets,
  deadRow,
  decideRow,
  doneRow,
  joinRow,
  ledgerKey,
  LedgerRow,
  MusterError,
  rowKnows,
} from "@muster/contracts";
import { isoTime } from "../clock.ts";
import type { WorkerConfig } from "../config.ts";
import type { Kv } from "../kv.ts";
import type { Message } from "../message.ts";
import type { Ledger, LookUp, RowWrite } from "./ledger.ts";
import { unseen } from "./ledger.ts";

const decoder = new TextDecoder();
const joinTries = 5;

/** The ledger in the bucket `MUSTER_LEDGER`: the row is made by create, and changed by compare and set. */
export class KvLedger implements Ledger {
  readonly kind = "kv";
  readonly looksUpFirst = true;
  readonly #kv: Kv;
  readonly #config: WorkerConfig;

  constructor(kv: Kv, config: WorkerConfig) {
    this.#kv = kv;
    this.#config = config;
  }

  async lookUp(message: Message): Promise<LookUp> {
    const entry = await this.#kv.get(buckets.ledger, this.#key(message.eventId));
    if (entry.kind === "absent") {
      return unseen;
    }
    const row = entry.kind === "value" ? readRow(entry.value, message.eventId) : undefined;
    return { decision: decideRow(row, message), row, revision: entry.revision };
  }

  async lookUpAgain(message: Message, after: LookUp): Promise<LookUp> {
    const found = await this.lookUp(message);
    if (found.revision <= after.revision) {
      throw new MusterError(
        "unreachable",
        `ledger row of ${message.eventId}: the answer is older than the write that failed`,
      );
    }
    return found;
  }

  async write({ message, lookUp, content }: RowWrite): Promise<boolean> {
    const { workerId: member } = this.#config;
    const facts = { ...identity(message), member, language: "ts" as const, at: isoTime() };
    const row =
      content.status === "done"
        ? doneRow(facts, content.result, lookUp.row)
        : deadRow(facts, { reason: content.reason, headers: content.headers }, lookUp.row);
    const key = this.#key(message.eventId);
    const put = await this.#kv.put(buckets.ledger, key, JSON.stringify(row), lookUp.revision);
    return put.ok;
  }

  writeAll(writes: readonly RowWrite[]): Promise<boolean[]> {
    return Promise.all(writes.map((write) => this.write(write)));
  }

  async join(message: Message, first: LookUp): Promise<LookUp> {
    let lookUp = first;
    for (let attempt = 1; attempt <= joinTries; attempt++) {
      const { row, decision } = lookUp;
      const isToJoin = decision === "repeat" || decision === "stale";
      if (row === undefined || !isToJoin || rowKnows(row, message)) {
        return lookUp;
      }
      const joined = joinRow(row, message.sequence);
      const key = this.#key(message.eventId);
      const put = await this.#kv.put(buckets.ledger, key, JSON.stringify(joined), lookUp.revision);
      if (put.ok) {
        return { decision, row: joined, revision: put.revision };
      }
      lookUp = await this.lookUpAgain(message, lookUp);
    }
    throw new MusterError("unreachable", `ledger row of ${message.eventId} keeps changing`);
  }

  /** A bucket has none: an effect outside of the row cannot be committed with it. */
  transaction(): undefined {
    return undefined;
  }

  async isReachable(): Promise<boolean> {
    try {
      await this.#kv.get(buckets.ledger, this.#key("muster.reachable"));
      return true;
    } catch {
      return false;
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #key(eventId: string): string {
    return ledgerKey(this.#config.stream, this.#config.group, eventId);
  }
}

function readRow(value: Uint8Array, eventId: string): LedgerRow {
  try {
    return LedgerRow.parse(JSON.parse(decoder.decode(value)));
  } catch (cause) {
    // A row we cannot read must not be overwritten: better to stop than to do an order twice.
    throw new MusterError("unreachable", `ledger row of ${eventId} cannot be read`, { cause });
  }
}

function identity({ eventId, bodySha256, sequence, storeTime }: Message) {
  return { eventId, bodySha256, sequence, storeTime };
}
