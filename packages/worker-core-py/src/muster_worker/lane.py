"""One pull request at a time over a subscription of its own."""

from __future__ import annotations

import asyncio
from typing import Protocol

from .connection import Connection
from .headers import read_headers
from .msg import Msg

EXPIRES_S = 5
"""How long a pull request stays at the server; a pause takes hold within that time."""

# A request that has not ended by then will not: the server lost it, or its answer was lost.
_VOID_AFTER_S = EXPIRES_S + 2
_EXPIRES_NS = EXPIRES_S * 1_000_000_000
_IDLE_HEARTBEAT = 100


class LaneListener(Protocol):
    """Told what comes on a lane."""

    def on_message(self, msg: Msg) -> None:
        """A message."""

    def on_status(self, code: int, description: str) -> None:
        """The request has ended with this status."""

    def on_void(self) -> None:
        """The request will never end."""


class Lane:
    """So that its credits can be told from others'."""

    def __init__(self, connection: Connection, inbox: str, listener: LaneListener) -> None:
        self._connection = connection
        self._inbox = inbox
        self._listener = listener
        self.credits = 0
        """Messages asked for and not delivered yet; 0: the lane is free."""
        # The reply subject of the request under way.
        self._reply = ""
        self._count = 0
        self._void_timer: asyncio.TimerHandle | None = None
        self._subscription = connection.listen(f"{inbox}.*", self._receive)

    def ask(self, subject: str, batch: int) -> None:
        """Asks for so many messages."""
        self._count += 1
        self._reply = f"{self._inbox}.{self._count}"
        self.credits = batch
        if self._void_timer is None:
            self._watch()
        body = f'{{"batch":{batch},"expires":{_EXPIRES_NS}}}'.encode()
        self._connection.send(subject, body, reply=self._reply)

    def end(self) -> None:
        """Forgets the request under way: its connection is gone."""
        if self._void_timer is not None:
            self._void_timer.cancel()
            self._void_timer = None
        self.credits = 0
        self._reply = ""

    async def drain(self) -> None:
        """Takes what is on its way and ends the subscription."""
        self.end()
        await self._subscription.drain()

    def _receive(self, msg: Msg) -> None:
        if msg.reply.startswith("$JS.ACK."):
            if self.credits > 0:
                self.credits -= 1
            self._listener.on_message(msg)
            return
        code, description, _ = read_headers(msg.head)
        if code != _IDLE_HEARTBEAT and msg.subject == self._reply:
            self.end()
            self._listener.on_status(code, description)

    # One timer serves many requests: a busy lane would arm and clear one for each otherwise.
    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        self._void_timer = loop.call_later(_VOID_AFTER_S, self._on_void, self._count)

    def _on_void(self, count: int) -> None:
        self._void_timer = None
        if self.credits == 0:
            return
        if count == self._count:
            self.end()
            self._listener.on_void()
        else:
            self._watch()
