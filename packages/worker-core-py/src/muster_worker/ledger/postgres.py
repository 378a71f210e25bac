"""The ledger in the table `muster_ledger`.

A row and what its handler did in `transaction()` are committed together, or neither is there: the
effect happens once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg

from ..errors import Unreachable
from ..message import Message
from ..protocol.row import decide_row, knows, with_sequence
from ..protocol.spec import LedgerKind
from .ledger import UNSEEN, LedgerTransaction, LookUp, RowWrite, require_newer
from .postgres_commit import commit_row, commit_rows, insert_new_rows, update_row
from .postgres_connections import Connections
from .postgres_errors import unreachable
from .postgres_inserts import Inserts
from .postgres_migrations import apply_migrations
from .postgres_rows import RowToWrite, event_hash, read_row, row_to_write
from .postgres_session import Answer, Statement
from .postgres_statements import Statements
from .postgres_transaction import PostgresTransaction

POOL_SIZE = 10
"""Transactions of handlers open at once; three more connections look up and write rows."""

_ROW_CONNECTIONS = 3
_JOIN_TRIES = 5


class PostgresLedger:
    """Connects when it is first used."""

    kind: LedgerKind = "postgres"
    looks_up_first = False

    def __init__(
        self,
        *,
        database_url: str,
        stream: str,
        group: str,
        member: str,
        ack_wait_ms: Callable[[], int],
        pool_size: int = POOL_SIZE,
    ) -> None:
        """`database_url`: `postgres://user:password@host:5432/database`, with further parameters as
        libpq has them (`?sslmode=…`). `ack_wait_ms`: of the group's spec as it is now; it bounds
        statements, locks and idle transactions. Raises MusterError `bad_config`."""
        name = f"muster {stream}.{group} {member}"
        self._member = member
        self._statements = Statements(stream, group)
        self._rows = Connections(
            database_url=database_url,
            application_name=name,
            most=_ROW_CONNECTIONS,
            ack_wait_ms=ack_wait_ms,
        )
        self._transactions = Connections(
            database_url=database_url,
            application_name=name,
            most=pool_size,
            ack_wait_ms=ack_wait_ms,
        )
        self._inserts = Inserts(self._insert)

    async def migrate(self) -> None:
        """Checks that the tables are there and makes them where it may; to be called before the
        first message.

        Raises Unreachable, or MusterError `ledger_schema` when they are missing or are not those we
        know.
        """
        async with self._rows.use() as session:
            await apply_migrations(session)

    async def look_up(self, message: Message) -> LookUp:
        """The row of the message's event and what follows from it."""
        statement = self._statements.select(event_hash(message.event_id))
        rows = (await self._run("looking up a ledger row", statement)).rows
        if not rows:
            return UNSEEN
        row = read_row(rows[0])
        return LookUp(decide_row(row, **message.identity), row, rows[0]["revision"])

    async def look_up_again(self, message: Message, after: LookUp) -> LookUp:
        """After a write that found another row."""
        return require_newer(message, await self.look_up(message), after)

    async def write(self, write: RowWrite, tx: LedgerTransaction | None = None) -> bool:
        """Writes the row, in the transaction where it was used."""
        row = row_to_write(write, self._member)
        if isinstance(tx, PostgresTransaction) and tx.is_open:
            return await commit_row(tx, self._statements, row)
        if tx is not None:
            # What a handler would begin only now could not be undone with the row.
            await tx.rollback()
        if row.revision == 0:
            return await self._inserts.add(row)
        async with self._rows.use() as session:
            return await update_row(session, self._statements, row)

    async def write_all(
        self, writes: Sequence[RowWrite], tx: LedgerTransaction | None = None
    ) -> list[bool]:
        """All rows in one transaction, or none."""
        rows = [row_to_write(write, self._member) for write in writes]
        if isinstance(tx, PostgresTransaction) and tx.is_open:
            return await commit_rows(tx, self._statements, rows)
        if tx is not None:
            await tx.rollback()
        return await commit_rows(self.transaction(), self._statements, rows)

    async def join(self, message: Message, look_up: LookUp) -> LookUp:
        """Adds the sequence of a repeat or a stale message to the row."""
        key = event_hash(message.event_id)
        for _ in range(_JOIN_TRIES):
            decision, row, revision = look_up
            if row is None or decision not in ("repeat", "stale"):
                return look_up
            if knows(row, sequence=message.sequence, store_time=message.store_time):
                return look_up
            joined = with_sequence(row, message.sequence)
            statement = self._statements.join(RowToWrite(key, joined, revision))
            if (await self._run("joining a ledger row", statement)).row_count == 1:
                return LookUp(decision, joined, revision + 1)
            look_up = await self.look_up_again(message, look_up)
        raise Unreachable(f"ledger row of {message.event_id} keeps changing")

    def transaction(self) -> PostgresTransaction:
        """A transaction for one handler."""
        return PostgresTransaction(self._transactions)

    async def is_reachable(self) -> bool:
        """True when the table takes a row; a database that is full or read only would still
        answer."""
        try:
            async with self._rows.use() as session:
                await session.query(self._statements.try_insert(self._member))
        except (Unreachable, psycopg.Error):
            return False
        return True

    async def close(self) -> None:
        """Ends all connections. What still waits fails with Unreachable; what is not committed is
        undone."""
        await self._rows.close()
        await self._transactions.close()

    async def _insert(self, rows: Sequence[RowToWrite]) -> set[str]:
        async with self._rows.use() as session:
            return await insert_new_rows(session, self._statements, rows)

    async def _run(self, what: str, statement: Statement) -> Answer:
        """Whatever keeps the ledger from its own work is an outage of it, also a table that is
        missing."""
        try:
            async with self._rows.use() as session:
                return await session.query(statement)
        except psycopg.Error as error:
            raise unreachable(what, error) from error
