"""Publishes over one reply inbox, many at once; what is beyond waits its turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from nats.aio.client import Client
from nats.aio.msg import Msg as ClientMsg
from nats.aio.subscription import Subscription

from .errors import Unreachable
from .msg import Msg
from .pub_ack import PubAck, read_pub_ack
from .publish_error import Ids, PublishError, not_sent, refusal, unknown_outcome
from .publish_message import OutgoingMessage

_NO_RESPONDERS = "503"
# A stream that has just lost its leader, or a server that has just started, has no responders for a
# moment.
_TRIES_WITHOUT_RESPONDERS = 5
# How often, at most, what has waited too long is looked for: one timer for all.
_LONGEST_SWEEP_S = 0.25


class _Item:
    """A message that waits for its turn, or for its answer."""

    __slots__ = ("answer", "ids", "queued_at", "turn", "until")

    def __init__(self, ids: Ids) -> None:
        loop = asyncio.get_running_loop()
        self.ids = ids
        self.queued_at = time.monotonic()
        self.until = 0.0
        self.turn: asyncio.Future[None] = loop.create_future()
        self.answer: asyncio.Future[ClientMsg] = loop.create_future()


class PublishPipe:
    """Nothing is handed to the client while it is disconnected: it would send it whenever it is
    back, or drop it.

    A message waits for the connection, and for others before it, as long as something moves within
    the time; then it fails as `unreachable`, as it does when its answer does not come in that time.
    """

    def __init__(self, client: Client, *, timeout_s: float, max_in_flight: int) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._most = max_in_flight
        self._sweep_s = min(_LONGEST_SWEEP_S, timeout_s / 20)
        self._inbox = client.new_inbox()
        self._subscribing: asyncio.Task[Subscription] | None = None
        self._waiting: deque[_Item] = deque()
        self._in_flight = 0
        self._sent: dict[str, _Item] = {}
        self._count = 0
        # When the last answer came.
        self._moved_at = 0.0
        self._reconnects = client.stats["reconnects"]
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def send(self, message: OutgoingMessage) -> PubAck:
        """The stream's answer. Raises PublishError."""
        if self._is_closed:
            raise PublishError("closed", message.ids, "the publisher is closed")
        item = _Item(message.ids)
        self._idle.clear()
        self._waiting.append(item)
        self._next()
        self._arm()
        has_place = False
        try:
            await item.turn
            has_place = True
            return await self._publish(message, item)
        finally:
            if has_place or (item.turn.done() and not item.turn.cancelled() and _ok(item.turn)):
                self._in_flight -= 1
            elif item in self._waiting:
                self._waiting.remove(item)
            self._next()
            if self._in_flight == 0 and not self._waiting:
                self._idle.set()

    async def drain(self) -> None:
        """Takes no more, and returns when all that is under way has its answer."""
        self._is_closed = True
        await self._idle.wait()
        if self._sweep is not None:
            self._sweep.cancel()
        if self._subscribing is not None:
            subscription = await self._subscribing
            if self._client.is_connected:
                await subscription.unsubscribe()

    async def _publish(self, message: OutgoingMessage, item: _Item) -> PubAck:
        await self._subscribe()
        item.until = time.monotonic() + self._timeout_s
        for _ in range(_TRIES_WITHOUT_RESPONDERS):
            answer = await self._request(message, item)
            status = (answer.headers or {}).get("Status")
            if answer.data or status != _NO_RESPONDERS:
                return _settled(item.ids, answer)
            await asyncio.sleep(self._sweep_s)
        raise PublishError("no_stream", item.ids, f"no stream takes {item.ids.subject}")

    async def _request(self, message: OutgoingMessage, item: _Item) -> ClientMsg:
        self._count += 1
        reply = f"{self._inbox}.{self._count}"
        item.answer = asyncio.get_running_loop().create_future()
        self._sent[reply] = item
        try:
            await self._client.publish(
                item.ids.subject, message.body, reply, headers=message.headers
            )
            return await item.answer
        finally:
            self._sent.pop(reply, None)

    async def _subscribe(self) -> None:
        if self._subscribing is None:
            # Without limits: an answer that is dropped would be an outcome that is not known.
            self._subscribing = asyncio.create_task(
                self._client.subscribe(
                    f"{self._inbox}.*",
                    cb=self._answered,
                    pending_msgs_limit=0,
                    pending_bytes_limit=0,
                )
            )
        await asyncio.shield(self._subscribing)

    async def _answered(self, msg: ClientMsg) -> None:
        item = self._sent.get(msg.subject)
        if item is not None and not item.answer.done():
            self._moved_at = time.monotonic()
            item.answer.set_result(msg)

    def _next(self) -> None:
        while self._waiting and self._in_flight < self._most and self._client.is_connected:
            item = self._waiting.popleft()
            if not item.turn.done():
                self._in_flight += 1
                item.turn.set_result(None)

    def _arm(self) -> None:
        if self._sweep is None:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(self._sweep_s, self._on_sweep)

    def _on_sweep(self) -> None:
        self._sweep = None
        reconnects = self._client.stats["reconnects"]
        if not self._client.is_connected or reconnects != self._reconnects:
            # Their answers are lost with the connection.
            self._fail_sent("connection lost")
        self._reconnects = reconnects
        now = time.monotonic()
        for item in list(self._sent.values()):
            if now >= item.until and not item.answer.done():
                why = f"no answer in {round(self._timeout_s * 1000)} ms"
                item.answer.set_exception(unknown_outcome(item.ids, why))
        # Counted from its turn: before that it waited for others.
        while self._waiting:
            item = self._waiting[0]
            if now < max(item.queued_at, self._moved_at) + self._timeout_s:
                break
            self._waiting.popleft()
            why = "no answers" if self._client.is_connected else "not connected"
            item.turn.set_exception(
                not_sent(item.ids, f"{why} for {round(self._timeout_s * 1000)} ms")
            )
        if self._client.is_closed:
            self._fail_sent("the connection is closed")
            while self._waiting:
                item = self._waiting.popleft()
                item.turn.set_exception(not_sent(item.ids, "the connection is closed"))
        self._next()
        if self._sent or self._waiting or self._in_flight:
            self._arm()

    def _fail_sent(self, why: str) -> None:
        for item in list(self._sent.values()):
            if not item.answer.done():
                item.answer.set_exception(unknown_outcome(item.ids, why))


def _ok(turn: asyncio.Future[None]) -> bool:
    return turn.exception() is None


def _settled(ids: Ids, answer: ClientMsg) -> PubAck:
    try:
        ack = read_pub_ack(Msg(answer.subject, "", answer.data))
    except Unreachable:
        raise unknown_outcome(ids, "the answer is no PubAck") from None
    if not ack.is_ok:
        raise refusal(ids, ack)
    return ack
