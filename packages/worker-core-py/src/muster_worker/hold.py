"""Keeps the messages in hand in progress, and lets only those be answered that are still ours."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from .answers import Answers
from .clock import Instant, gap_ms, now
from .connection import Connection
from .log import Log
from .message import Message
from .tasks import Tasks


class Held:
    """A message in hand, from its receipt until it is settled."""

    __slots__ = ("is_answered", "is_released", "last_extension", "message", "received_at")

    def __init__(self, message: Message, last_extension: Instant) -> None:
        self.message = message
        self.received_at = time.monotonic()
        self.last_extension = last_extension
        """When the server last surely knew that we have it."""
        self.is_released = False
        """Settled, given back or lost: it is not kept in progress any more."""
        self.is_answered = False
        """Settled or given back: no second answer but an ack may be sent."""


class Hold:
    """All messages in hand.

    A message whose last extension is longer ago than ack_wait may already be with another member:
    an answer to it would disturb that one, so only the ack of a finished message is still sent.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        answers: Answers,
        ack_wait_ms: Callable[[], int],
        tasks: Tasks,
        log: Log,
    ) -> None:
        self._connection = connection
        self._answers = answers
        self._ack_wait_ms = ack_wait_ms
        self._tasks = tasks
        self._log = log
        self._held: set[Held] = set()
        self._ticks = (now(), now())
        self._armed_for_ms = ack_wait_ms()
        self._is_extending = False
        self._is_closed = False
        self._on_fresh: Callable[[], None] = lambda: None
        self._tick_timer: asyncio.TimerHandle | None = None
        self._extend_timer: asyncio.TimerHandle | None = None
        self._tick()
        self._schedule_extension()
        self._stop_listening = connection.on_change(self._on_change)

    def adjust(self) -> None:
        """Sets the timers anew when ack_wait has changed: those of a long one would come too late
        for a short one."""
        if self._is_closed or self._armed_for_ms == self._ack_wait_ms():
            return
        self._armed_for_ms = self._ack_wait_ms()
        self._cancel_timers()
        self._ticks = (now(), now())
        self._tick()
        self._schedule_extension()
        self._tasks.start(self._extend())

    def add(self, message: Message) -> Held:
        """Takes a message in hand.

        What waited in the socket of a stopped process must not look fresh: hence the tick before
        the last.
        """
        held = Held(message, self._ticks[0])
        self._held.add(held)
        return held

    @property
    def is_fresh(self) -> bool:
        """False when this process was stopped a moment ago, or could not keep up.

        What comes now does not look fresh, and nothing more is to be asked for: it would be lost at
        once, make room for more, and come again after ack_wait.
        """
        return gap_ms(self._ticks[0]) <= self._ack_wait_ms() / 2

    def on_fresh(self, listener: Callable[[], None]) -> None:
        """Calls back when `is_fresh` has become true again."""
        self._on_fresh = listener

    def is_ours(self, held: Held) -> bool:
        """True while no other member can have the message."""
        if not held.is_released and gap_ms(held.last_extension) > self._ack_wait_ms():
            message = held.message
            self._log.warning(
                "lost",
                code="lost",
                seq=message.sequence,
                event_id=message.event_id,
                delivery=message.delivered,
            )
            self.release(held)
        return not held.is_released

    def ack(self, held: Held) -> Awaitable[None] | None:
        """The message is finished: always sent. What to await where acks are confirmed."""
        self.release(held)
        held.is_answered = True
        return self._answers.ack(held.message.reply, not self._held)

    def flush(self) -> None:
        """Sends the acks that wait for company: what follows must not be there before them."""
        self._answers.flush()

    def nak(self, held: Held, delay_ms: int | None = None) -> None:
        """Gives the message back, for any member, after the delay."""
        delay = "" if delay_ms is None else " " + json.dumps({"delay": delay_ms * 1_000_000})
        self._answer(held, f"-NAK{delay}")

    def term(self, held: Held, reason: str) -> None:
        """Removes the message for good."""
        self._answer(held, f"+TERM {reason}")

    def release(self, held: Held) -> None:
        """Ends the extensions without an answer."""
        held.is_released = True
        self._held.discard(held)

    def close(self) -> None:
        """Extends nothing any more."""
        self._is_closed = True
        self._stop_listening()
        self._cancel_timers()

    def _answer(self, held: Held, text: str) -> None:
        # While disconnected nothing is sent: the client would send it when it is back, when it is
        # stale.
        if not held.is_answered and self.is_ours(held):
            self._answers.send(held.message.reply, text)
        held.is_answered = True
        self.release(held)

    def _on_change(self, is_up: bool) -> None:
        if is_up:
            self._tasks.start(self._extend())

    async def _extend(self) -> None:
        if self._is_extending or not self._held or not self._connection.is_up:
            return
        self._is_extending = True
        try:
            before = now()
            extended = [held for held in list(self._held) if self.is_ours(held)]
            for held in extended:
                self._answers.send(held.message.reply, "+WPI")
            # Without the round trip an extension may sit in a dead socket: it does not count until
            # the server has it.
            if await self._connection.round_trip(self._ack_wait_ms() / 1000):
                for held in extended:
                    held.last_extension = before
        finally:
            self._is_extending = False

    def _tick(self) -> None:
        was_fresh = self.is_fresh
        self._ticks = (self._ticks[1], now())
        if not was_fresh and self.is_fresh:
            self._on_fresh()
        wait = max(0.01, self._ack_wait_ms() / 10_000)
        self._tick_timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _schedule_extension(self) -> None:
        wait = max(0.01, self._ack_wait_ms() / 3000)
        self._extend_timer = asyncio.get_running_loop().call_later(wait, self._on_extend_timer)

    def _on_extend_timer(self) -> None:
        self._tasks.start(self._extend())
        self._schedule_extension()

    def _cancel_timers(self) -> None:
        for timer in (self._tick_timer, self._extend_timer):
            if timer is not None:
                timer.cancel()
