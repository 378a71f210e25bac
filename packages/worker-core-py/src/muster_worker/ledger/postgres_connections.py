"""A pool whose waits all end: for a free connection, for an answer, for a lock, for the close."""

from __future__ import annotations

import asyncio
import select
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ..errors import MusterError, Unreachable
from .postgres_errors import unreachable
from .postgres_session import Connection, Session, Statement

_CONNECT_S = 5
_IDLE_S = 30.0
_CLOSE_S = 1.0
# Of our text, whatever the database's, the URL's or the environment's: without it a database of
# SQL_ASCII gives bytes where it should give text.
_CLIENT_ENCODING = "UTF8"


class Connections:
    """Each is made when it is needed."""

    def __init__(
        self,
        *,
        database_url: str,
        application_name: str,
        most: int,
        ack_wait_ms: Callable[[], int],
    ) -> None:
        """`application_name`: shown in `pg_stat_activity`. `ack_wait_ms`: no wait for a connection
        or for an answer is longer. Raises MusterError `bad_config`."""
        _check_url(database_url)
        self._database_url = database_url
        self._application_name = application_name
        self._most = most
        self._ack_wait_ms = ack_wait_ms
        self._idle: deque[tuple[float, Connection]] = deque()
        self._sessions: set[Session] = set()
        self._count = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        # For which ack_wait a connection is set up.
        self._set_up: dict[Connection, int] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._closing: set[asyncio.Task[None]] = set()

    async def take(self) -> Session:
        """A connection of one's own until it is released.

        Raises Unreachable, also when none becomes free in ack_wait.
        """
        ack_wait_ms = self._ack_wait_ms()
        until = time.monotonic() + ack_wait_ms / 1000
        connection = self._take_idle()
        while connection is None:
            if self._is_closed:
                raise Unreachable("the ledger is closed")
            if self._count < self._most:
                connection = await self._connect()
            else:
                await self._wait_for_one(until)
                connection = self._take_idle()
        session = Session(connection, ack_wait_ms / 1000, self._on_release)
        self._sessions.add(session)
        if self._set_up.get(connection) != ack_wait_ms:
            try:
                await session.query(Statement(_settings(ack_wait_ms)))
            except BaseException as error:
                session.release()
                if isinstance(error, psycopg.Error):
                    raise unreachable("setting up a database session", error) from error
                raise
            self._set_up[connection] = ack_wait_ms
        return session

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Session]:
        """One connection, given back at the end."""
        session = await self.take()
        try:
            yield session
        finally:
            session.release()

    async def close(self) -> None:
        """Ends all connections, those in use too: what is not committed is undone."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        while self._waiting:
            self._wake_one()
        for session in list(self._sessions):
            session.destroy()
        while self._idle:
            self._end(self._idle.popleft()[1])
        if self._closing:
            await asyncio.wait(self._closing, timeout=_CLOSE_S)

    async def _connect(self) -> Connection:
        self._count += 1
        try:
            async with asyncio.timeout(_CONNECT_S):
                connection = await psycopg.AsyncConnection.connect(
                    self._database_url,
                    autocommit=True,
                    application_name=self._application_name,
                    client_encoding=_CLIENT_ENCODING,
                    connect_timeout=_CONNECT_S,
                    cursor_factory=psycopg.AsyncRawCursor,
                )
        except BaseException as error:
            self._count -= 1
            self._wake_one()
            if isinstance(error, (psycopg.Error, OSError, asyncio.TimeoutError)):
                raise unreachable("connecting to the database", error) from error
            raise
        return connection

    def _take_idle(self) -> Connection | None:
        while self._idle and not self._is_closed:
            _, connection = self._idle.pop()
            if _is_quiet(connection):
                return connection
            self._end(connection)
        return None

    async def _wait_for_one(self, until: float) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait_for(turn, until - time.monotonic())
        except asyncio.TimeoutError:
            raise Unreachable("no database connection became free in ack_wait") from None
        finally:
            with suppress(ValueError):
                self._waiting.remove(turn)

    def _on_release(self, session: Session) -> None:
        self._sessions.discard(session)
        if session.is_usable and not self._is_closed:
            self._idle.append((time.monotonic(), session.connection))
            if self._sweep is None:
                self._sweep = asyncio.get_running_loop().call_later(_IDLE_S, self._end_idle)
        else:
            self._end(session.connection)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _end_idle(self) -> None:
        self._sweep = None
        while self._idle and time.monotonic() - self._idle[0][0] >= _IDLE_S:
            self._end(self._idle.popleft()[1])
        if self._idle:
            self._sweep = asyncio.get_running_loop().call_later(_IDLE_S, self._end_idle)

    def _end(self, connection: Connection) -> None:
        self._count -= 1
        self._set_up.pop(connection, None)
        task = asyncio.get_running_loop().create_task(_close(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(connection: Connection) -> None:
    with suppress(psycopg.Error, OSError):
        await connection.close()


def _is_quiet(connection: Connection) -> bool:
    """False where the server has said something meanwhile, which can only be its farewell."""
    if connection.closed:
        return False
    waiting = select.poll()
    waiting.register(connection.pgconn.socket, select.POLLIN | select.POLLHUP | select.POLLERR)
    return not waiting.poll(0)


def _check_url(database_url: str) -> None:
    """The URL may hold a password, so it is not told."""
    try:
        conninfo_to_dict(database_url)
    except psycopg.Error:
        raise MusterError(
            "bad_config",
            "DATABASE_URL: is no database URL; write postgres://user:password@host:5432/database",
        ) from None


def _settings(ack_wait_ms: int) -> str:
    """A member that was stopped frees its locks after ack_wait, when its messages go to others; a
    lock gives up before the statement does, so that the error tells which it was. 0 would mean for
    ever."""
    statement_ms, lock_ms = max(1, ack_wait_ms // 2), max(1, ack_wait_ms // 4)
    return (
        f"set idle_in_transaction_session_timeout = {ack_wait_ms}; "
        f"set statement_timeout = {statement_ms}; set lock_timeout = {lock_ms}"
    )
