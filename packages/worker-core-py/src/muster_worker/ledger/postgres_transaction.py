"""A transaction on a connection of its own, taken with the first query, given back at the end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg

from ..errors import MusterError, Unreachable
from .postgres_connections import Connections
from .postgres_errors import sql_state, unreachable
from .postgres_session import Session, Statement

LastWork = Callable[[Session], Awaitable[bool]]
"""Commits and returns True, or returns False."""

_CONTROL = re.compile(
    r"\s*(begin|start\s+transaction|commit|end|abort|prepare\s+transaction|rollback(?!\s+to\b))\b",
    re.IGNORECASE,
)
_FAILED_TRANSACTION = "25P02"
_IDLE_TRANSACTION = "25P03"


class PostgresTransaction:
    """What the handler has as `ctx.tx`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._opening: asyncio.Task[Session] | None = None
        self._running: set[asyncio.Future[None]] = set()
        self._last_error: BaseException | None = None
        self._is_ended = False

    @property
    def is_open(self) -> bool:
        """True once a query has opened it."""
        return self._opening is not None and not self._is_ended

    async def query(self, text: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Runs one statement with `$1`-style parameters and returns its rows.

        Raises what the database says (psycopg.Error); an outage raises Unreachable, which counts no
        attempt.
        """
        if _CONTROL.match(text):
            raise MusterError(
                "transaction_control",
                "the worker begins and ends the transaction; use a savepoint to undo a part of it",
            )
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running.add(done)
        try:
            return await self._run(text, values)
        except Exception as error:
            own = self._handlers_own(error)
            # That the transaction has failed already is not why.
            if sql_state(error) != _FAILED_TRANSACTION:
                self._last_error = own or error
            if own is not None:
                raise own from error
            raise
        finally:
            done.set_result(None)
            self._running.discard(done)

    async def end(self, work: LastWork) -> bool:
        """Lets `work` commit what was done, or, where it returns False, undoes it. Ends the
        transaction in any case.

        Raises Unreachable, or what the handler has to answer for: a statement that failed and it
        did not mind, a constraint that is checked at the commit, a transaction that it left idle
        for too long.
        """
        if self._is_ended:
            raise _ended()
        self._is_ended = True
        session = await self._session()
        try:
            # Not before all that the handler began without waiting for it.
            if self._running:
                await asyncio.wait(self._running)
            if not session.is_in_transaction:
                if not session.is_usable:
                    raise Unreachable("the connection of the transaction is lost")
                raise MusterError(
                    "transaction_control", "the handler ended the worker's transaction itself"
                )
            return await work(session)
        except Exception as error:
            if sql_state(error) == _FAILED_TRANSACTION:
                raise self._failed() from error
            if (own := self._handlers_own(error)) is not None:
                raise own from error
            raise
        finally:
            await _undo(session)

    async def rollback(self) -> None:
        """Undoes what was done; nothing where it never opened. Idempotent, never raises."""
        if self._is_ended:
            return
        self._is_ended = True
        if self._opening is not None:
            with suppress(Exception):
                await _undo(await self._opening)

    async def _run(self, text: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        if not self._is_ended:
            session = await self._session()
            # It may have ended while it waited for a connection.
            if not self._is_ended:
                return (await session.query(Statement(text, values))).rows
        raise _ended()

    async def _session(self) -> Session:
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        # A query that is given up must not end the opening for the others.
        return await asyncio.shield(self._opening)

    async def _open(self) -> Session:
        session = await self._connections.take()
        try:
            await session.query(Statement("begin"))
        except BaseException as error:
            session.release()
            if isinstance(error, psycopg.Error):
                raise unreachable("beginning a transaction", error) from error
            raise
        return session

    def _handlers_own(self, error: Exception) -> MusterError | None:
        """What the database ended for being idle is no outage: it would come again with every
        delivery, and never count. What comes after it says only that the connection is closed."""
        last = self._last_error
        if isinstance(last, MusterError) and last.code == "transaction_idle":
            return last
        if sql_state(error) != _IDLE_TRANSACTION:
            return None
        return MusterError(
            "transaction_idle",
            "the handler left its transaction idle for longer than ack_wait, and the database"
            " ended it",
        )

    def _failed(self) -> MusterError:
        """Why a transaction is broken that its handler wanted to keep."""
        if isinstance(self._last_error, Unreachable):
            return self._last_error
        why = f": {str(self._last_error).strip()}" if self._last_error else ""
        return MusterError(
            "transaction_failed",
            f"a statement of the transaction failed, and the handler returned all the same{why}",
        )


def _ended() -> MusterError:
    return MusterError("transaction_ended", "the transaction was used after its handler had ended")


async def _undo(session: Session) -> None:
    """Gives the connection back without an open transaction."""
    try:
        if session.is_in_transaction:
            await session.query(Statement("rollback"))
    except Exception:
        # The connection is lost, and with it the transaction.
        return
    finally:
        session.release()
