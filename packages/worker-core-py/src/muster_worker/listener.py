"""A subscription of the core's own, which costs a message nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .msg import Msg

if TYPE_CHECKING:
    from .connection import Connection

Callback = Callable[[Msg], None]


class Listener:
    """A subscription whose messages go to its callback as they are read, without a queue."""

    # What the client asks of the subscriptions in its own table.
    _max_msgs = 0
    _received = 0
    _wait_for_msgs_task = None
    _message_iterator = None
    _pending_next_msgs_calls = None

    def __init__(
        self, connection: Connection, sid: int, subject: str, queue: str, callback: Callback
    ) -> None:
        self._connection = connection
        self._id = sid
        self._subject = subject
        self._queue = queue
        self.callback = callback

    def unsubscribe(self) -> None:
        """Takes no more messages, also those that were on their way."""
        self._connection.stop_listening(self._id)

    async def drain(self, timeout_s: float = 2.0) -> None:
        """Takes what is on its way, and nothing after that."""
        if self._connection.is_up:
            self._connection.put(f"UNSUB {self._id}\r\n".encode())
            await self._connection.round_trip(timeout_s)
        self._connection.forget(self._id)

    async def _drain(self) -> None:
        await self.drain()
