"""Where a group's messages come from: pull requests, a deliver subject, or core subjects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .msg import Msg
from .turn import Turn


class Source(Protocol):
    """One per worker."""

    def wake(self) -> None:
        """Looks whether messages may be taken, and how many: something may have changed."""

    async def drain(self) -> None:
        """Stops taking messages; returns when nothing more can arrive."""


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """What a source asks the worker."""

    turn: Turn
    concurrency: Callable[[], int]
    """Handlers at once; twice as many messages are held."""
    held: Callable[[], int]
    """Messages in hand, started or not."""
    has_free_slot: Callable[[], bool]
    """True when a message that came now would start at once."""
    may_pull: Callable[[], bool]
    """False while paused, degraded, draining or without a spec."""
    is_fresh: Callable[[], bool]
    """False while what comes would not look fresh: see `Hold`."""
    on_send: Callable[[], None]
    """Called before something is sent: what else waits to be sent leaves with it."""
    on_message: Callable[[Msg], None]
