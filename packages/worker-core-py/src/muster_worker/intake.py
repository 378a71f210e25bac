"""What takes messages in hand and starts their handlers, within the group's concurrency."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .message import Message


class Oldest(NamedTuple):
    """The message longest in hand of those that run."""

    sequence: int
    since: float
    """Wall clock of its start, in seconds."""


class Intake(Protocol):
    """One per worker."""

    def take(self, message: Message) -> None:
        """Takes a message that came."""

    def pump(self) -> None:
        """Starts what there is room for; called again when the concurrency was raised."""

    def stop(self) -> None:
        """Has nothing more started; what waits is given back by `drain`."""

    async def drain(self) -> None:
        """Gives back what was not started and returns when nothing runs any more."""

    @property
    def count(self) -> int:
        """Messages in hand, started or not."""

    @property
    def has_free_slot(self) -> bool:
        """True when a message that came now would start at once."""

    @property
    def suspect_count(self) -> int:
        """Messages that wait until no other suspect runs."""

    @property
    def oldest(self) -> Oldest | None:
        """None where nothing runs."""
