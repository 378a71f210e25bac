"""Deadlines of many runs on one timer: one for each message would cost more than most handlers."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Protocol


class Due(Protocol):
    """Something that has to end by a time."""

    due_at: float
    """By the monotonic clock, in seconds."""

    def on_due(self) -> None:
        """Called once when the time has come."""


class Deadlines:
    """Watches over what has to end in time."""

    def __init__(self) -> None:
        self._due: dict[Due, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = math.inf

    def add(self, due: Due) -> None:
        """Watches over it from now on."""
        self._due[due] = None
        if due.due_at < self._armed_for:
            self._arm(due.due_at)

    def remove(self, due: Due) -> None:
        """It has ended in time."""
        self._due.pop(due, None)

    def close(self) -> None:
        """Watches over nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._due.clear()

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = at
        wait = max(0.001, at - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(wait, self._look)

    def _look(self) -> None:
        time_now = time.monotonic()
        self._armed_for = math.inf
        for due in [due for due in self._due if due.due_at <= time_now]:
            del self._due[due]
            due.on_due()
        following = min((due.due_at for due in self._due), default=math.inf)
        if following < self._armed_for:
            self._arm(following)
