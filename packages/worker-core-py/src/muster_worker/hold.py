"""Keeps what the member holds in progress, and knows when a message is no longer its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from .clock import Instant, Ticker
from .errors import Unreachable
from .log import Log
from .message import Message
from .wire import Wire


class Hold:
    """All messages from receipt until they are settled, started or not."""

    def __init__(self, wire: Wire, log: Log, ack_wait_ms: int) -> None:
        self._wire = wire
        self._log = log
        self._messages: set[Message] = set()
        self._ack_wait_ms = ack_wait_ms
        self._ticker = Ticker(ack_wait_ms / 10)
        self._stopped = False

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(list(self._messages))

    def set_ack_wait(self, ack_wait_ms: int) -> None:
        """Applies the group's ack wait, live."""
        self._ack_wait_ms = ack_wait_ms
        self._ticker.every_ms = ack_wait_ms / 10

    def received_at(self) -> Instant:
        """When a message that arrives now counts as extended."""
        return self._ticker.second_last

    def add(self, message: Message) -> None:
        """From now on it is extended."""
        self._messages.add(message)

    def release(self, message: Message) -> None:
        """It is settled."""
        self._messages.discard(message)

    def is_ours(self, message: Message) -> bool:
        """Asked before every start, nak, term and record: a stale one disturbs the next member."""
        return Instant.now().gap_ms(message.extended) <= self._ack_wait_ms

    def oldest(self) -> Message | None:
        """The message in hand for the longest time."""
        return min(self._messages, key=lambda m: m.since, default=None)

    async def run(self) -> None:
        """Extends every third of the ack wait, until stopped."""
        self._ticker.start()
        while not self._stopped:
            await asyncio.sleep(self._ack_wait_ms / 3000)
            await self.extend()

    def stop(self) -> None:
        """Ends `run` at its next turn."""
        self._stopped = True
        self._ticker.stop()

    async def extend(self) -> None:
        """One extension of all; it counts from before the first publish, once it was read."""
        ours = [message for message in self._messages if self.is_ours(message)]
        if not ours:
            return
        before = Instant.now()
        try:
            for message in ours:
                await self._wire.in_progress(message.reply)
            await self._wire.round_trip()
        except Unreachable as error:
            self._log.debug("not extended", error=str(error))
            return
        for message in ours:
            message.extended = before
