"""A database connection in the hands of one task."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from .postgres_errors import is_outage, is_read_only, unreachable

Connection = psycopg.AsyncConnection[Any]


class Statement(NamedTuple):
    """A statement with `$1`-style parameters."""

    text: str
    values: Sequence[Any] = ()
    is_prepared: bool = False
    """Parsed once for each connection."""
    answer_s: float | None = None
    """How long the answer may take, where it is not ack_wait."""


class Answer(NamedTuple):
    """What a statement did."""

    rows: list[dict[str, Any]]
    row_count: int
    command: str


class Session:
    """Taken from the pool, and given back."""

    def __init__(
        self, connection: Connection, answer_s: float, on_release: Callable[[Session], None]
    ) -> None:
        self.connection = connection
        self._answer_s = answer_s
        self._on_release = on_release
        self._is_released = False
        self._is_destroyed = False
        # It leads to a database that takes no writes; another may have become the one that does.
        self._is_read_only = False

    @property
    def is_in_transaction(self) -> bool:
        """Whether the last answer left a transaction open; also one that can only be rolled
        back."""
        return self.connection.info.transaction_status != TransactionStatus.IDLE

    @property
    def is_usable(self) -> bool:
        """Whether the next one may have the connection."""
        is_spoiled = self._is_destroyed or self._is_read_only or self.connection.closed
        return not (is_spoiled or self.is_in_transaction)

    async def query(self, statement: Statement) -> Answer:
        """Runs a statement. Raises Unreachable, or what the database says of the statement."""
        answer_s = statement.answer_s or self._answer_s
        timer = asyncio.get_running_loop().call_later(answer_s, self.destroy)
        try:
            async with self.connection.cursor(row_factory=dict_row) as cursor:
                # Without values several statements may be given, and nothing is prepared.
                values = list(statement.values) or None
                await cursor.execute(statement.text, values, prepare=statement.is_prepared)
                rows = await cursor.fetchall() if cursor.description else []
                return Answer(rows, cursor.rowcount, cursor.statusmessage or "")
        except (psycopg.Error, OSError) as error:
            self._is_read_only = self._is_read_only or is_read_only(error)
            if self._is_destroyed or self.connection.closed or is_outage(error):
                raise unreachable("the database", error) from error
            raise
        finally:
            timer.cancel()

    def release(self) -> None:
        """Gives the connection back, once or more often."""
        if not self._is_released:
            self._is_released = True
            self._on_release(self)

    def destroy(self) -> None:
        """Ends the connection at once; what waits for an answer fails.

        By its socket: a server that was stopped would not answer a cancel either.
        """
        self._is_destroyed = True
        with suppress(OSError, psycopg.Error):
            own = socket.socket(fileno=os.dup(self.connection.pgconn.socket))
            own.shutdown(socket.SHUT_RDWR)
            own.close()
