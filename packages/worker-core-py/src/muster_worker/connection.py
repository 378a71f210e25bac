"""The connection to NATS: comes up when the server does, and comes back for ever.

nats-py 2.16 is subclassed where one message or one late answer would end a member silently; each
override says what it saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.protocol import command

from .config import Config
from .headers import parse_header_block
from .log import Log
from .parser import LineParser

RECONNECT_WAIT_S = 0.5
"""Seconds between two tries at the same server."""

Callback = Callable[[], Awaitable[None]]


class Connection(Client):
    """A nats-py client that no message and no error of the server stops."""

    def __init__(self) -> None:
        super().__init__()
        self._ps = LineParser(self)

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        # The library's reader raises on a short or odd header block, which ends its read loop.
        return parse_header_block(headers) if headers else None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        # Likewise a subject that is not UTF-8.
        return Msg(
            subject=subject.decode("utf-8", "replace"),
            reply=reply.decode("utf-8", "replace"),
            data=data,
            headers=headers,
            _client=self,
            _sid=sid,
        )

    async def _send_publish(
        self,
        subject: str,
        reply: str,
        payload: bytes,
        payload_size: int,
        headers: dict[str, Any] | None,
    ) -> None:
        # The library refuses names that NATS allows, such as `a/b`; a row that no member wrote may
        # have them, and a dead letter that cannot be published would come back for ever.
        if not headers:
            await super()._send_publish(subject, reply, payload, payload_size, None)
            return
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        block = bytearray(f"NATS/1.0\r\n{lines}\r\n".encode())
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += payload_size
        await self._send_command(command.hpub_cmd(subject, reply, block, payload))
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()

    async def _process_pong(self) -> None:
        # The library answers the oldest ping even when its waiter has given up: InvalidStateError.
        if self._pongs:
            waiter = self._pongs.pop(0)
            if not waiter.done():
                waiter.set_result(True)
        self._pongs_received += 1
        self._pings_outstanding = 0

    async def _process_err(self, err_msg: str) -> None:
        # The library closes for good on most errors, e.g. an expired login. A member comes back.
        if "permissions violation" in err_msg:
            await super()._process_err(err_msg)
            return
        error = nats.errors.Error(f"nats: {err_msg}")
        await self._error_cb(error)
        await self._process_op_err(error)

    async def _read_loop(self) -> None:
        await super()._read_loop()
        # Ended by anything but a close or a reconnect: without this the client stays deaf.
        if self.is_connected:
            await self._process_op_err(nats.errors.UnexpectedEOF())

    async def _attempt_reconnect(self) -> None:
        # What waits to be sent is from before: a stale nak or term disturbs the next member.
        self._pending.clear()
        self._pending_data_size = 0
        while not self.is_closed:
            try:
                await super()._attempt_reconnect()
                return
            except Exception as error:
                await self._error_cb(error)
                await asyncio.sleep(RECONNECT_WAIT_S)

    async def round_trip(self, timeout_s: float) -> None:
        """Returns when the server has read all that was published before, or raises TimeoutError.

        The library's `flush` writes its PING ahead of what is still pending, so it proves nothing.
        Each wait has its own limit: `_flush_pending` swallows a cancellation from outside.
        """
        await self._flush_pending(force_flush=True)
        pong: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        await self._send_ping(pong)
        await asyncio.wait_for(pong, timeout_s)

    async def drain_subscription(self, subscription: Subscription, timeout_s: float) -> None:
        """No more messages after this, and each that came was given to the callback.

        The library's own drain flushes as above: what the server still sends would be dropped.
        """
        await self._send_unsubscribe(subscription._id)
        try:
            await self.round_trip(timeout_s)
            await asyncio.wait_for(subscription._pending_queue.join(), timeout_s)
        finally:
            subscription._closed = True
            subscription._stop_processing()
            self._remove_sub(subscription._id)


async def connect(
    config: Config, log: Log, *, on_disconnect: Callback, on_reconnect: Callback
) -> Connection:
    """Connects, however long the server takes to come up."""
    connection = Connection()
    last = ""

    async def on_error(error: Exception) -> None:
        nonlocal last
        text = str(error) or type(error).__name__
        level = log.error if "permissions violation" in text else log.warning
        # The same failure twice a second is said once.
        if text != last:
            level("connection error", error=text)
        last = text

    async def disconnected() -> None:
        log.warning("disconnected")
        await on_disconnect()

    async def reconnected() -> None:
        nonlocal last
        last = ""
        log.info("reconnected")
        await on_reconnect()

    await connection.connect(
        servers=list(config.servers),
        name=f"muster {config.stream}.{config.group} {config.member}",
        error_cb=on_error,
        disconnected_cb=disconnected,
        reconnected_cb=reconnected,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
        connect_timeout=5,
        ping_interval=10,
        flush_timeout=5,
    )
    return connection
