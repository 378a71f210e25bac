import type { DeadLetterReason, LedgerRow, RowDecision } from "@muster/contracts";
import type { Message } from "../message.ts";

/** The row found for a message and what follows from it. */
export interface LookUp {
  readonly decision: RowDecision;
  readonly row: LedgerRow | undefined;
  /** What a write has to compare with; 0: there must be no row. */
  readonly revision: number;
}

/** What a row says besides whose it is. */
export type RowContent =
  | { status: "done"; result: unknown }
  | { status: "dead"; reason: DeadLetterReason; headers: Record<string, string> };

/** A row to write: for which message, compared with what, and what it says. */
export interface RowWrite {
  readonly message: Message;
  readonly lookUp: LookUp;
  readonly content: RowContent;
}

/**
 * A database transaction that opens with its first query and ends with the row: either both are there or none.
 * Queries throw what the database says; an outage throws a MusterError `unreachable`, which counts no attempt.
 */
export interface Transaction {
  /** Runs one statement with `$1`-style parameters and returns its rows. */
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** A transaction as the core holds it. */
export interface LedgerTransaction extends Transaction {
  /** True once a query has opened it. */
  readonly isOpen: boolean;
  /** Undoes what was done in it; idempotent, and nothing where it never opened. Never throws. */
  rollback(): Promise<void>;
}

/**
 * One row per group and event id, `done` or `dead`: it makes an effect happen once. Methods throw a MusterError
 * `unreachable` when the ledger does not answer, is full, read-only or locked for too long.
 */
export interface Ledger {
  readonly kind: "none" | "kv" | "postgres";
  /** Whether a first delivery has to be looked up too; otherwise the write finds what is there. */
  readonly looksUpFirst: boolean;
  lookUp(message: Message): Promise<LookUp>;
  /** Looks up after a write that found another row. What is not newer than what was compared with is `unreachable`. */
  lookUpAgain(message: Message, after: LookUp): Promise<LookUp>;
  /**
   * Writes the row where nothing has changed since the look-up, and commits `tx` with it.
   * False when something has changed: then `tx` is rolled back.
   */
  write(write: RowWrite, tx?: LedgerTransaction): Promise<boolean>;
  /**
   * As `write` for many rows. Where the ledger has transactions it is one: all rows are written, or none and the
   * answers say which stood in the way. Elsewhere each row is written by itself.
   */
  writeAll(writes: readonly RowWrite[], tx?: LedgerTransaction): Promise<boolean[]>;
  /** Notes in the row that another copy of its message was seen (up to 32 sequences, then a count). */
  join(message: Message, lookUp: LookUp): Promise<LookUp>;
  /** A transaction for handlers; undefined where the ledger has none. */
  transaction(): LedgerTransaction | undefined;
  /** True when the ledger answers at all. */
  isReachable(): Promise<boolean>;
  close(): Promise<void>;
}

/** What a ledger knows before it was asked: nothing stands in the way. */
export const unseen: LookUp = { decision: "run", row: undefined, revision: 0 };
