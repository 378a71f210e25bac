import type { DeadLetterReason, RowDecision } from "@muster/contracts";
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
import { isoTime } from "./clock.ts";
import type { WorkerConfig } from "./config.ts";
import type { Kv } from "./kv.ts";
import type { Message } from "./message.ts";

/** The row found for a message and what follows from it. */
export interface LookUp {
  readonly decision: RowDecision;
  readonly row: LedgerRow | undefined;
  /** What a write has to compare with. */
  readonly revision: number;
}

/** What a row says besides whose it is. */
export type RowContent =
  | { status: "done"; result: unknown }
  | { status: "dead"; reason: DeadLetterReason; headers: Record<string, string> };

const decoder = new TextDecoder();

/** One row per group and event id: `done` or `dead`. All methods throw `unreachable`. */
export class Ledger {
  readonly #kv: Kv;
  readonly #config: WorkerConfig;

  constructor(kv: Kv, config: WorkerConfig) {
    this.#kv = kv;
    this.#config = config;
  }

  async lookUp(message: Message): Promise<LookUp> {
    const entry = await this.#kv.get(buckets.ledger, this.#key(message.eventId));
    const row = entry.kind === "value" ? readRow(entry.value, message.eventId) : undefined;
    return { decision: decideRow(row, message), row, revision: entry.revision };
  }

  /** Looks up after a failed compare: what is not newer than what was compared with is a replica that lags. */
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

  /** Writes the row where nothing has changed since the look-up; false when something has. */
  async write(message: Message, lookUp: LookUp, content: RowContent): Promise<boolean> {
    const { workerId: member } = this.#config;
    const facts = { ...identity(message), member, language: "ts" as const, at: isoTime() };
    const row =
      content.status === "done"
        ? doneRow(facts, content.result, lookUp.row)
        : deadRow(facts, { reason: content.reason, headers: content.headers }, lookUp.row);
    const put = await this.#kv.put(
      buckets.ledger,
      this.#key(message.eventId),
      JSON.stringify(row),
      lookUp.revision,
    );
    return put.ok;
  }

  /** Notes in a `done` row that another copy of its message was seen. */
  async joinRepeat(message: Message, first: LookUp): Promise<void> {
    let lookUp = first;
    for (let attempt = 1; attempt <= 5; attempt++) {
      const { row } = lookUp;
      if (row === undefined || lookUp.decision !== "repeat" || rowKnows(row, message)) {
        return;
      }
      const joined = JSON.stringify(joinRow(row, message.sequence));
      const put = await this.#kv.put(buckets.ledger, this.#key(message.eventId), joined, lookUp.revision);
      if (put.ok) {
        return;
      }
      lookUp = await this.lookUpAgain(message, lookUp);
    }
  }

  /** True when the ledger answers at all. */
  async isReachable(): Promise<boolean> {
    try {
      await this.#kv.get(buckets.ledger, this.#key("muster.reachable"));
      return true;
    } catch {
      return false;
    }
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
