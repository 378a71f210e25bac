"""Asks for as many messages as there is room for: what runs and waits in the process is bounded by
its credits."""

from __future__ import annotations

import asyncio
import math
import re
import time

from .connection import Connection
from .lane import Lane
from .log import Log
from .msg import Msg
from .source import SourceOptions
from .tasks import Tasks

# Requests under way at once. A delivered message tells only its subscription, so each request has
# one of its own.
_LANES = 4
_PAUSE_S = 0.25


class Pull:
    """Keeps the member supplied."""

    def __init__(
        self,
        connection: Connection,
        subject: str,
        options: SourceOptions,
        *,
        tasks: Tasks,
        log: Log,
    ) -> None:
        """`subject`: where pull requests go."""
        self._connection = connection
        self._subject = subject
        self._o = options
        self._tasks = tasks
        self._log = log
        self._lanes = self._open_lanes()
        self._max_batch: float = math.inf
        self._resume_at = 0.0
        self._resume_timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._said_status = ""
        self.last_message_at = time.monotonic()
        """By the monotonic clock; the watchdog asks."""
        self._stop_listening = connection.on_change(self._on_change)

    @property
    def outstanding(self) -> int:
        """Messages asked for and not delivered yet."""
        return sum(lane.credits for lane in self._lanes)

    def wake(self) -> None:
        """Looks, at the end of this turn, whether there is room to ask for more."""
        if not self._is_closed:
            self._o.turn.at_end(self._ask)

    def recreate(self) -> None:
        """Starts anew on another inbox, with nothing asked for."""
        if self._is_closed:
            return
        for lane in self._lanes:
            # Drained, not cut: what is on its way would come again after ack_wait only, as a
            # suspect.
            self._tasks.start(lane.drain())
        self._lanes = self._open_lanes()
        self.wake()

    async def drain(self) -> None:
        """Takes what was on its way and ends the subscriptions."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._resume_timer is not None:
            self._resume_timer.cancel()
        self._stop_listening()
        await asyncio.gather(*(lane.drain() for lane in self._lanes))

    def on_message(self, msg: Msg) -> None:
        """A message came on a lane."""
        self.last_message_at = time.monotonic()
        self._o.on_message(msg)
        self.wake()

    def on_status(self, code: int, description: str) -> None:
        """A request has ended with a status."""
        limit = re.search(r"MaxRequestBatch of ([0-9]+)", description)
        if limit is not None:
            self._max_batch = max(1, int(limit[1]))
        elif code not in (404, 408) and description != "Batch Completed":
            self._resume_at = time.monotonic() + _PAUSE_S
            status = f"{code} {description}".strip()
            if status != self._said_status:
                self._log.warning("pull refused", code="pull_refused", error=status)
                self._said_status = status
        else:
            self._said_status = ""
        self.wake()

    def on_void(self) -> None:
        """A request will never end."""
        self.wake()

    def _ask(self) -> None:
        o = self._o
        if self._is_closed or not self._connection.is_up:
            return
        if not o.may_pull() or not o.is_fresh():
            return
        wait_s = self._resume_at - time.monotonic()
        if wait_s > 0:
            if self._resume_timer is None:
                loop = asyncio.get_running_loop()
                self._resume_timer = loop.call_later(wait_s, self._resume)
            return
        most, outstanding = o.concurrency(), self.outstanding
        room = 2 * most - o.held() - outstanding
        # A request for each freed place would cost more than the messages. With little room there
        # is something waiting in hand or asked for, unless what is in hand are suspects, which wait
        # for each other.
        is_enough = room >= max(1, most / 2)
        if is_enough or (room > 0 and outstanding == 0 and o.has_free_slot()):
            lane = next((lane for lane in self._lanes if lane.credits == 0), None)
            if lane is not None:
                o.on_send()
                lane.ask(self._subject, int(min(room, self._max_batch)))

    def _resume(self) -> None:
        self._resume_timer = None
        self.wake()

    def _open_lanes(self) -> list[Lane]:
        inbox = self._connection.new_inbox()
        return [Lane(self._connection, f"{inbox}.{n}", self) for n in range(_LANES)]

    def _on_change(self, _is_up: bool) -> None:
        for lane in self._lanes:
            lane.end()
        self.wake()
