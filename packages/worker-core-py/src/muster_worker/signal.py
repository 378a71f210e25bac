"""The abort signal of a handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from .errors import Aborted

T = TypeVar("T")


class Signal:
    """Set once: the deadline passed, or the member is being stopped by force.

    The handler is not cancelled: whatever it is in the middle of, it ends itself.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def aborted(self) -> bool:
        """Whether to stop."""
        return self._event.is_set()

    def abort(self) -> None:
        """Tells the handler to stop."""
        self._event.set()

    async def wait(self) -> None:
        """Returns when it is time to stop."""
        await self._event.wait()

    async def guard(self, awaitable: Awaitable[T]) -> T:
        """The result of `awaitable`, or Aborted as soon as the signal is set (it is cancelled)."""
        work = asyncio.ensure_future(awaitable)
        stop = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise Aborted("aborted")
        finally:
            work.cancel()
            stop.cancel()
