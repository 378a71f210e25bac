"""How a connection is made: tries until there is a server, and says when that one refuses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from .client import RECONNECT_WAIT_S
from .config import Config
from .connection import Connection
from .errors import MusterError
from .log import Log
from .protocol.server_url import split_server_urls

# A server that does not know us; one that is slow to look says something else.
_REFUSAL = re.compile(r"authorization violation|authentication (expired|revoked)", re.IGNORECASE)


async def open_connection(config: Config, log: Log) -> Connection:
    """Connects, however long the server takes to come up.

    Raises MusterError `login_refused` when no server lets us in: who was never let in will not be
    by asking again.
    """
    said = ""
    while True:
        connection = Connection(log, needs_tls=config.login.ca is not None)
        try:
            await _connect(connection, config, log)
        except MusterError:
            with suppress(Exception):
                await connection.close()
            raise
        except Exception as error:
            if repr(error) != said:
                said = repr(error)
                log.warning("disconnected", code="no_connection", error=said)
            with suppress(Exception):
                await connection.close()
            await asyncio.sleep(RECONNECT_WAIT_S)
            continue
        except asyncio.CancelledError:
            with suppress(Exception):
                await connection.close()
            raise
        connection.tell_change(True)
        return connection


async def _connect(connection: Connection, config: Config, log: Log) -> None:
    said = ""
    failures = 0
    refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    servers, login = split_server_urls(config.servers)

    async def on_error(error: Exception) -> None:
        nonlocal said, failures
        text = str(error) or type(error).__name__
        failures += 1
        if _REFUSAL.search(text) and failures >= len(servers) and not refused.done():
            refused.set_exception(MusterError("login_refused", f"{', '.join(servers)}: {text}"))
        elif text != said and not connection.is_up:
            # The same failure twice a second is said once.
            log.warning("disconnected", code="no_connection", error=text)
            said = text

    async def on_disconnect() -> None:
        if not connection.is_closed:
            log.warning("disconnected")
        connection.tell_change(False)

    async def on_reconnect() -> None:
        log.warning("reconnected")
        connection.tell_change(True)

    connecting = connection.connect(
        servers=servers,
        user=login.user,
        password=login.password,
        token=login.token,
        name=f"{config.stream}.{config.group}.{config.member}",
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
        connect_timeout=5,
        ping_interval=10,
        flush_timeout=5,
        inbox_prefix=config.inbox_prefix,
        **config.login.options(),
    )
    await _first_of(connecting, refused)


async def _first_of(connecting: Coroutine[Any, Any, None], refused: asyncio.Future[None]) -> None:
    """The library's `connect` goes on asking by itself, whatever a server says."""
    task = asyncio.create_task(connecting)
    try:
        await asyncio.wait({task, refused}, return_when=asyncio.FIRST_COMPLETED)
        (task if task.done() else refused).result()
    finally:
        # Later refusals are no reason to end: the login may be about to be replaced.
        if not refused.cancel():
            refused.exception()
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task
