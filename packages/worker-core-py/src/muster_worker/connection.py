"""One connection to NATS that reconnects for ever and says whether it is up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from nats.protocol import command

from .client import NatsClient
from .listener import Callback, Listener
from .log import Log
from .msg import Msg
from .parser import Parser


class Connection(NatsClient):
    """A connection that says whether it is up.

    The client buffers what is published while it dials and sends it when it is back, however old
    it is by then. Whoever publishes therefore asks `is_up` first.
    """

    def __init__(self, log: Log, *, needs_tls: bool = False) -> None:
        super().__init__(needs_tls=needs_tls)
        self._ps: Any = Parser(self)
        self._log = log
        self._is_up = False
        self._changed: dict[Callable[[bool], None], None] = {}
        self.listeners: dict[int, Listener] = {}
        """By subscription id; the client's own table has them too, to subscribe them again."""

    @property
    def is_up(self) -> bool:
        """Whether the server is there as far as the client knows."""
        return self._is_up and self._status == NatsClient.CONNECTED

    def on_change(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Calls back with False when the connection is lost and with True when it is there again.

        The result ends that.
        """
        self._changed[callback] = None

        def stop() -> None:
            self._changed.pop(callback, None)

        return stop

    def listen(self, subject: str, callback: Callback, queue: str = "") -> Listener:
        """Subscribes; `queue`: only one member of the queue group gets a message."""
        self._sid += 1
        listener = Listener(self, self._sid, subject, queue, callback)
        self.listeners[self._sid] = listener
        self._subs[self._sid] = listener  # type: ignore[assignment]
        # While it dials, the client subscribes all of its table when it is back.
        if self.is_connected:
            self.put(command.sub_cmd(subject, queue, self._sid))
        return listener

    def stop_listening(self, sid: int) -> None:
        """Unsubscribes at once."""
        self.forget(sid)
        if self.is_up:
            self.put(f"UNSUB {sid}\r\n".encode())

    def forget(self, sid: int) -> None:
        """Gives nothing more to a listener."""
        self.listeners.pop(sid, None)
        self._subs.pop(sid, None)

    async def round_trip(self, timeout_s: float) -> bool:
        """True when the server has read all that was sent before, False when that is not known.

        The library's `flush` writes its PING ahead of what is still pending, so it proves nothing.
        """
        if not self.is_up:
            return False
        pong: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        self.put(b"PING\r\n")
        try:
            return bool(await asyncio.wait_for(pong, timeout_s))
        except asyncio.TimeoutError:
            return False

    def callback_failed(self, error: Exception) -> None:
        """A listener raised: a fault of the core's own, which must not end the reading."""
        self._log.error("delivery failed", code="internal", error=repr(error))

    def tell_change(self, is_up: bool) -> None:
        """Tells everybody who listens."""
        if self._is_up == is_up:
            return
        self._is_up = is_up
        for callback in list(self._changed):
            callback(is_up)

    async def process_message(self, sid: int, msg: Msg) -> None:
        """A message of one of the client's own subscriptions."""
        subject, reply = msg.subject.encode(), msg.reply.encode()
        await self._process_msg(sid, subject, reply, msg.data, msg.head)
