"""The tables of the ledger: the same SQL files as in every language, copied into this package."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import NamedTuple

import psycopg

from ..errors import MusterError
from .postgres_errors import sql_state
from .postgres_session import Session, Statement

_ANSWER_S = 600.0
_BEGIN = (
    "begin; set local statement_timeout = 0; set local lock_timeout = 60000; "
    "select pg_advisory_xact_lock(hashtext('muster_migrations'))"
)
_INSUFFICIENT_PRIVILEGE = "42501"


class Migration(NamedTuple):
    """A file of `packages/contracts/migrations`."""

    name: str
    sql: str
    sha256: str


async def apply_migrations(session: Session) -> None:
    """Applies what is missing, each file in a transaction and under a lock, so that many members
    may start at once; without the right to make tables it is enough that all are applied. A file we
    do not know was applied by a newer member: migrations only add, so it is no error.

    Raises Unreachable, or MusterError `ledger_schema` when a file is missing that may not be
    applied, or was applied in another form.
    """
    known = read_migrations()
    for migration in _missing_of(known, await _applied(session)):
        await _apply(session, known, migration)


def read_migrations() -> list[Migration]:
    """The migrations that this version knows, in the order of their names."""
    folder = resources.files(__package__) / "migrations"
    names = [file.name for file in folder.iterdir()]
    migrations = []
    for name in sorted(name for name in names if re.fullmatch(r"[0-9]{4}_[a-z0-9_]+\.sql", name)):
        data = (folder / name).read_bytes()
        migrations.append(Migration(name, data.decode(), hashlib.sha256(data).hexdigest()))
    return migrations


async def _applied(session: Session) -> dict[str, str]:
    """What was applied, name → sha256; nothing where no migration was."""
    is_there = "select 1 from pg_catalog.pg_class where oid = to_regclass('muster_migrations')"
    try:
        if not (await session.query(Statement(is_there))).rows:
            return {}
        answer = await session.query(Statement("select name, sha256 from muster_migrations"))
    except psycopg.Error as error:
        raise _schema_error("muster_migrations", error) from error
    return {row["name"]: row["sha256"] for row in answer.rows}


def _missing_of(known: Sequence[Migration], done: Mapping[str, str]) -> list[Migration]:
    changed = [one.name for one in known if done.get(one.name, one.sha256) != one.sha256]
    if changed:
        raise MusterError(
            "ledger_schema",
            f"the database has another form of {', '.join(changed)}: it was changed after it was "
            "applied, use the version that was",
        )
    return [one for one in known if one.name not in done]


async def _apply(session: Session, known: Sequence[Migration], migration: Migration) -> None:
    try:
        await session.query(Statement(_BEGIN, answer_s=_ANSWER_S))
        # Another member may have done it while we waited for the lock.
        if migration in _missing_of(known, await _applied(session)):
            await session.query(Statement(migration.sql, answer_s=_ANSWER_S))
            text = "insert into muster_migrations (name, sha256) values ($1, $2)"
            await session.query(Statement(text, (migration.name, migration.sha256)))
        await session.query(Statement("commit"))
    except psycopg.Error as error:
        await session.query(Statement("rollback"))
        raise _schema_error(migration.name, error) from error


def _schema_error(name: str, cause: psycopg.Error) -> MusterError:
    """What keeps the schema from being as it should, other than an outage."""
    todo = "see what the database has under these names"
    if sql_state(cause) == _INSUFFICIENT_PRIVILEGE:
        todo = (
            "apply packages/contracts/migrations as the tables' owner, and grant select, insert, "
            "update on them"
        )
    return MusterError("ledger_schema", f"{name}: {str(cause).strip()}; {todo}")
