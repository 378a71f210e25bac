"""What the database says, and what follows from it."""

from __future__ import annotations

import re

import psycopg

from ..errors import MusterError, Unreachable, text_of

# States that say nothing about the statement: connection, resources, shutdown, input and output of
# the server; a database that is read only, a session or lock that waited too long, a transaction
# that lost against another.
_OUTAGE = re.compile(r"08...|53...|57P0[1-5]|58...|25006|25P0[34]|55P03|40001|40P01")
# States that may come of one row among many: its lock, its conflict, what it holds.
_ONE_ROW = re.compile(r"55P03|40001|40P01|22...|23...|54...")


def sql_state(error: BaseException | None) -> str:
    """The SQLSTATE of what the database said; "" for an error of the connection or of this
    process."""
    said = error.__cause__ if isinstance(error, MusterError) else error
    return (said.sqlstate or "") if isinstance(said, psycopg.Error) else ""


def is_outage(error: BaseException) -> bool:
    """Whether an answer means that the database cannot now, rather than that the statement is
    wrong."""
    return _OUTAGE.fullmatch(sql_state(error)) is not None


def is_read_only(error: BaseException) -> bool:
    """Whether the database takes no writes; another may have become the one that does."""
    return sql_state(error) == "25006"


def is_of_one_row(error: BaseException) -> bool:
    """Whether the other rows of the statement might be written without one of them."""
    return _ONE_ROW.fullmatch(sql_state(error)) is not None


def is_row_there(error: BaseException) -> bool:
    """Whether an insert failed because there is a row of that key."""
    if not isinstance(error, psycopg.errors.UniqueViolation):
        return False
    return error.diag.constraint_name == "muster_ledger_pkey"


def unreachable(what: str, cause: BaseException) -> Unreachable:
    """An error that counts no attempt, with its cause. `what` failed."""
    if isinstance(cause, Unreachable):
        return cause
    state = sql_state(cause)
    why = text_of(cause).strip() or type(cause).__name__
    error = Unreachable(f"{what}: {why}{f' ({state})' if state else ''}")
    error.__cause__ = cause
    return error
