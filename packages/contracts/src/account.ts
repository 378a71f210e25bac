import type { DeadLetterReason } from "./dead-letter.ts";
import type { LedgerRow } from "./ledger-row.ts";
import type { Language } from "./values.ts";

/** One revision of a ledger row: what the account needs of it. */
export type RowRevision = Pick<LedgerRow, "status" | "sequence" | "store_time" | "body_sha256" | "language">;

/** A dead letter as it lies in the stream; copies with the same id count once. */
export interface LetterEntry {
  eventId: string;
  id: string;
  reason: DeadLetterReason;
}

/** What was published, and everything that was found of it in one group. */
export interface AccountEntries {
  /** Event id → how many messages carried it. */
  published: ReadonlyMap<string, number>;
  /** Event id → the revisions of its ledger row, oldest first. */
  rows: ReadonlyMap<string, readonly RowRevision[]>;
  deadLetters: Iterable<LetterEntry>;
}

/** The account by event id. It closes when `lost`, `repeated` and `invented` are empty. */
export interface Account {
  /** Events, however often each was published. */
  published: number;
  /** Events with a done row. */
  done: number;
  /** Events with a dead letter that is no conflict. */
  dead: number;
  /** Dead letters, conflicts among them. */
  dead_by_reason: Partial<Record<DeadLetterReason, number>>;
  done_by_language: Record<Language, number>;
  /** Neither done nor dead-lettered. */
  lost: string[];
  /** Done and dead at once, done twice, or dead-lettered more often than published. */
  repeated: string[];
  /** A row or a dead letter of an event that nobody published. */
  invented: string[];
}

/**
 * Looks for every published event: it must be found exactly once, as a done row or as a dead
 * letter. A `conflict` is the dead letter of a further message and settles nothing by itself; a
 * dead row without its dead letter settles nothing either.
 */
export function closeAccount(entries: AccountEntries): Account {
  const letters = lettersByEvent(entries.deadLetters);
  const account: Account = {
    published: entries.published.size,
    done: 0,
    dead: 0,
    dead_by_reason: {},
    done_by_language: {},
    lost: [],
    repeated: [],
    invented: [],
  };
  for (const [eventId, count] of entries.published) {
    const doneRows = (entries.rows.get(eventId) ?? []).filter((row) => row.status === "done");
    const reasons = [...(letters.get(eventId)?.values() ?? [])];
    const deaths = reasons.filter((reason) => reason !== "conflict").length;
    const last = doneRows.at(-1);
    for (const reason of reasons) add(account.dead_by_reason, reason);
    if (last) {
      account.done++;
      add(account.done_by_language, last.language);
    }
    if (deaths > 0) account.dead++;
    if (!last && deaths === 0) account.lost.push(eventId);
    if (isAppliedTwice(doneRows) || (last && deaths > 0) || deaths > count) {
      account.repeated.push(eventId);
    }
  }
  const found = new Set([...entries.rows.keys(), ...letters.keys()]);
  account.invented = [...found].filter((eventId) => !entries.published.has(eventId));
  return account;
}

function lettersByEvent(letters: Iterable<LetterEntry>): Map<string, Map<string, DeadLetterReason>> {
  const byEvent = new Map<string, Map<string, DeadLetterReason>>();
  for (const { eventId, id, reason } of letters) {
    const byId = byEvent.get(eventId) ?? new Map<string, DeadLetterReason>();
    byEvent.set(eventId, byId.set(id, reason));
  }
  return byEvent;
}

// A row that only learned of a repeat is written again too, but keeps the message that settled it.
function isAppliedTwice(doneRows: readonly RowRevision[]): boolean {
  const appliers = doneRows.map((row) => `${row.sequence} ${row.store_time} ${row.body_sha256}`);
  return new Set(appliers).size > 1;
}

function add<K extends string>(counts: Partial<Record<K, number>>, key: K): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
