"""Core NATS as the protocol uses it: publish, request, round trip, raw acks."""

from __future__ import annotations

import asyncio
import json

import nats.errors
from nats.aio.msg import Msg

from .connection import Connection
from .errors import Unreachable
from .headers import Headers, header_bytes

REQUEST_TIMEOUT_S = 5.0
"""Seconds a request or a round trip may take."""


class Wire:
    """The connection with one kind of failure: Unreachable."""

    def __init__(self, connection: Connection, api_prefix: str) -> None:
        self.connection = connection
        self.api_prefix = api_prefix

    @property
    def is_connected(self) -> bool:
        """Whether the server is there as far as the client knows."""
        return self.connection.is_connected

    @property
    def max_payload(self) -> int:
        """The server's limit on headers and body together, in bytes."""
        return self.connection.max_payload

    async def request(self, subject: str, body: bytes = b"", headers: Headers | None = None) -> Msg:
        """One answer, or Unreachable: no responders, none in time, no connection, too large."""
        self._check(subject, body, headers)
        try:
            return await self.connection.request(
                subject, body, timeout=REQUEST_TIMEOUT_S, headers=headers
            )
        except nats.errors.NoRespondersError:
            raise Unreachable(f"no responders on {subject}") from None
        except (nats.errors.Error, asyncio.TimeoutError, OSError) as error:
            raise Unreachable(f"{subject}: {error or type(error).__name__}") from error

    async def publish(
        self,
        subject: str,
        body: bytes = b"",
        *,
        reply: str = "",
        headers: Headers | None = None,
        buffered: bool = False,
    ) -> None:
        """Publishes now. `buffered`: kept through an outage when the server is away."""
        if not buffered:
            self._check(subject, body, headers)
        try:
            await self.connection.publish(subject, body, reply, headers)
        except (nats.errors.Error, asyncio.TimeoutError, OSError) as error:
            raise Unreachable(f"{subject}: {error or type(error).__name__}") from error

    async def round_trip(self) -> None:
        """Returns when the server has read all that was published before, or raises Unreachable."""
        self._check("PING", b"", None)
        try:
            await self.connection.round_trip(REQUEST_TIMEOUT_S)
        except (nats.errors.Error, asyncio.TimeoutError, OSError) as error:
            raise Unreachable("no answer to PING") from error

    async def ack(self, reply: str) -> None:
        """Done. Sent by hand: the library drops an ack after a nak."""
        await self.publish(reply, b"+ACK", buffered=True)

    async def nak(self, reply: str, delay_ms: int | None = None) -> None:
        """Hand it out again: at once, or after `delay_ms`."""
        delay = "" if not delay_ms else " " + json.dumps({"delay": delay_ms * 1_000_000})
        await self.publish(reply, f"-NAK{delay}".encode())

    async def term(self, reply: str, reason: str) -> None:
        """Never hand it out again."""
        await self.publish(reply, f"+TERM {reason}".encode())

    async def in_progress(self, reply: str) -> None:
        """Still working on it."""
        await self.publish(reply, b"+WPI")

    def _check(self, subject: str, body: bytes, headers: Headers | None) -> None:
        if not self.connection.is_connected:
            raise Unreachable(f"{subject}: not connected")
        # The server cuts the connection of a client that sends more.
        size = len(body) + (header_bytes(headers) if headers else 0)
        if size > self.max_payload:
            raise Unreachable(f"{subject}: {size} bytes are more than the server takes")
