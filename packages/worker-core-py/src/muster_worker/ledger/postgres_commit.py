"""Rows that are committed with the transaction of their handler."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from ..errors import Unreachable
from .postgres_errors import is_row_there, unreachable
from .postgres_rows import RowToWrite
from .postgres_session import Session, Statement
from .postgres_statements import Statements
from .postgres_transaction import PostgresTransaction

_MOST_ROWS = 500


async def commit_row(tx: PostgresTransaction, statements: Statements, row: RowToWrite) -> bool:
    """Commits a transaction with its row; False when another row stands in the way, and then it is
    undone."""

    async def work(session: Session) -> bool:
        if row.revision > 0:
            return await update_row(session, statements, row) and await _commit(session)
        try:
            await session.query(statements.insert(row))
        except psycopg.Error as error:
            if is_row_there(error):
                return False
            raise unreachable("writing a ledger row", error) from error
        return await _commit(session)

    return await tx.end(work)


async def commit_rows(
    tx: PostgresTransaction, statements: Statements, rows: Sequence[RowToWrite]
) -> list[bool]:
    """As `commit_row` with many rows: all or none. The answers say which stood in the way."""
    written: set[int] = set()

    async def work(session: Session) -> bool:
        # In the order of the keys, so that two batches do not wait for each other; of a key given
        # twice only the first.
        by_hash = {row.hash: (at, row) for at, row in reversed(list(enumerate(rows)))}
        ordered = [by_hash[key] for key in sorted(by_hash)]
        fresh = [(at, row) for at, row in ordered if row.revision == 0]
        for first in range(0, len(fresh), _MOST_ROWS):
            some = fresh[first : first + _MOST_ROWS]
            made = await insert_new_rows(session, statements, [row for _, row in some])
            written.update(at for at, row in some if row.hash in made)
        for at, row in ordered:
            if row.revision > 0 and await update_row(session, statements, row):
                written.add(at)
        return len(written) == len(rows) and await _commit(session)

    await tx.end(work)
    return [at in written for at in range(len(rows))]


async def insert_new_rows(
    session: Session, statements: Statements, rows: Sequence[RowToWrite]
) -> set[str]:
    """Makes the rows that are not there yet; the hashes of those it made. Raises Unreachable."""
    try:
        made = await session.query(statements.insert_new(rows))
    except psycopg.Error as error:
        raise unreachable("writing ledger rows", error) from error
    return {row["event_hash"] for row in made.rows}


async def update_row(session: Session, statements: Statements, row: RowToWrite) -> bool:
    """Writes over a dead row; False when it is not as it was. Raises Unreachable."""
    try:
        return (await session.query(statements.update(row))).row_count == 1
    except psycopg.Error as error:
        raise unreachable("writing a ledger row", error) from error


async def _commit(session: Session) -> bool:
    """What a constraint says that is checked only now is the handler's, and passes as it is."""
    if (await session.query(Statement("commit"))).command != "COMMIT":
        raise Unreachable("the transaction was undone instead of committed")
    return True
