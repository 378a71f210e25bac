"""The abort signal of a handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .errors import Aborted

T = TypeVar("T")


class Signal:
    """Set once: the deadline passed, or the member is being stopped by force.

    The handler is not cancelled: whatever it is in the middle of, it ends itself. `aborted` may be
    read from any thread, all else belongs to the event loop.
    """

    def __init__(self) -> None:
        self._event: asyncio.Event | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._aborted = False
        self.reason = ""
        """Why it was set."""

    @property
    def aborted(self) -> bool:
        """Whether to stop."""
        return self._aborted

    def abort(self, reason: str = "") -> None:
        """Tells the handler to stop."""
        if self._aborted:
            return
        self._aborted = True
        self.reason = reason
        if self._event is not None:
            self._event.set()
        for callback in self._callbacks:
            callback()

    def on_abort(self, callback: Callable[[], None]) -> None:
        """Calls back when it is set; at once where it is."""
        if self._aborted:
            callback()
        else:
            self._callbacks.append(callback)

    async def wait(self) -> None:
        """Returns when it is time to stop."""
        if self._event is None:
            self._event = asyncio.Event()
            if self._aborted:
                self._event.set()
        await self._event.wait()

    async def guard(self, awaitable: Awaitable[T]) -> T:
        """The result of `awaitable`, or Aborted as soon as the signal is set (it is cancelled)."""
        work = asyncio.ensure_future(awaitable)
        stop = asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise Aborted(self.reason or "aborted")
        finally:
            work.cancel()
            stop.cancel()
