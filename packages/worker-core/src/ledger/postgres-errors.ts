import { MusterError } from "@muster/contracts";
import { DatabaseError } from "pg";

/**
 * States that say nothing about the statement: connection, resources, shutdown, input and output of the server;
 * a database that is read only, a session or lock that waited too long, a transaction that lost against another.
 */
const outage = /^(08...|53...|57P0[1-5]|58...|25006|25P0[34]|55P03|40001|40P01)$/;

/** States that may come of one row among many: its lock, its conflict, what it holds. */
const oneRow = /^(55P03|40001|40P01|22...|23...|54...)$/;

/** The SQLSTATE of what the database said; undefined for an error of the connection or of this process. */
export function sqlState(error: unknown): string | undefined {
  const said = error instanceof MusterError ? error.cause : error;
  return said instanceof DatabaseError ? said.code : undefined;
}

/** Whether a database's answer means that it cannot now, rather than that the statement is wrong. */
export function isOutage(error: unknown): boolean {
  return outage.test(sqlState(error) ?? "");
}

/** Whether the other rows of the statement might be written without one of them. */
export function isOfOneRow(error: unknown): boolean {
  return oneRow.test(sqlState(error) ?? "");
}

/** Whether an insert failed because there is a row of that key. */
export function isRowThere(error: unknown): boolean {
  return (
    error instanceof DatabaseError && error.code === "23505" && error.constraint === "muster_ledger_pkey"
  );
}

/** Whether the database takes no writes; another may have become the one that does. */
export function isReadOnly(error: unknown): boolean {
  return sqlState(error) === "25006";
}

/** An error that counts no attempt. `what` failed; the cause is kept. */
export function unreachable(what: string, cause: unknown): MusterError {
  if (cause instanceof MusterError && cause.code === "unreachable") {
    return cause;
  }
  const state = sqlState(cause);
  const why = cause instanceof Error && cause.message !== "" ? cause.message : String(cause);
  return new MusterError("unreachable", `${what}: ${why}${state === undefined ? "" : ` (${state})`}`, {
    cause,
  });
}
