import { MusterError } from "@muster/contracts";
import { isRowThere, unreachable } from "./postgres-errors.ts";
import type { RowToWrite } from "./postgres-rows.ts";
import type { Session } from "./postgres-session.ts";
import type { Statements } from "./postgres-statements.ts";
import type { PostgresTransaction } from "./postgres-transaction.ts";

const maxRows = 500;

/** Commits a transaction with its row; false when another row stands in the way, and then it is undone. */
export function commitRow(
  tx: PostgresTransaction,
  statements: Statements,
  row: RowToWrite,
): Promise<boolean> {
  return tx.end(async (session) => {
    if (row.revision > 0) {
      return (await updateRow(session, statements, row)) && (await commit(session));
    }
    // Sent together: where the insert fails, the commit finds a failed transaction and undoes it.
    const both = [session.query(statements.insert(row)), commit(session)] as const;
    const [inserted, committed] = await Promise.allSettled(both);
    if (inserted.status === "rejected") {
      if (isRowThere(inserted.reason)) {
        return false;
      }
      throw unreachable("writing a ledger row", inserted.reason);
    }
    if (committed.status === "rejected") {
      throw committed.reason;
    }
    return true;
  });
}

/** As `commitRow` with many rows: all or none. The answers say which stood in the way. */
export async function commitRows(
  tx: PostgresTransaction,
  statements: Statements,
  all: readonly RowToWrite[],
): Promise<boolean[]> {
  const written = new Set<RowToWrite>();
  await tx.end(async (session) => {
    // Of a key given twice only the first.
    const rows = inOrder([...new Map(all.toReversed().map((row) => [row.hash, row])).values()]);
    const fresh = rows.filter(({ revision }) => revision === 0);
    for (let at = 0; at < fresh.length; at += maxRows) {
      const some = fresh.slice(at, at + maxRows);
      const made = await insertNewRows(session, statements, some);
      some.filter(({ hash }) => made.has(hash)).forEach((row) => written.add(row));
    }
    for (const row of rows) {
      if (row.revision > 0 && (await updateRow(session, statements, row))) {
        written.add(row);
      }
    }
    return written.size === all.length && (await commit(session));
  });
  return all.map((row) => written.has(row));
}

/** Makes the rows that are not there yet; the hashes of those it made. Throws `unreachable`. */
export async function insertNewRows(
  session: Session,
  statements: Statements,
  rows: readonly RowToWrite[],
): Promise<Set<string>> {
  try {
    const made = await session.query<{ event_hash: string }>(statements.insertNew(inOrder(rows)));
    return new Set(made.rows.map((row) => row.event_hash));
  } catch (error) {
    throw unreachable("writing ledger rows", error);
  }
}

/** Writes over a dead row; false when it is not as it was. Throws `unreachable`. */
export async function updateRow(session: Session, statements: Statements, row: RowToWrite): Promise<boolean> {
  try {
    return (await session.query(statements.update(row))).rowCount === 1;
  } catch (error) {
    throw unreachable("writing a ledger row", error);
  }
}

/** By key, so that two members that write the same rows do not wait for each other. */
function inOrder(rows: readonly RowToWrite[]): RowToWrite[] {
  return rows.toSorted((a, b) => (a.hash < b.hash ? -1 : 1));
}

/** What a constraint says that is checked only now is the handler's, and passes as it is. */
async function commit(session: Session): Promise<true> {
  const { command } = await session.query({ text: "commit" });
  if (command !== "COMMIT") {
    throw new MusterError("unreachable", "the transaction was undone instead of committed");
  }
  return true;
}
