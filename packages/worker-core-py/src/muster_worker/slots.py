"""The member's concurrency: a limit that can change while it is in use."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """First come, first served."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._closed = False

    @property
    def used(self) -> int:
        """Slots taken."""
        return self._used

    def set_limit(self, limit: int) -> None:
        """Applies a new limit; slots already taken stay taken."""
        self._limit = limit
        self._wake()

    async def acquire(self) -> bool:
        """Waits for a slot; False when there will be none any more."""
        if self._closed:
            return False
        if self._used < self._limit and not self._waiting:
            self._used += 1
            return True
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        return await turn

    def release(self) -> None:
        """Gives a slot back."""
        self._used -= 1
        self._wake()

    def close(self) -> None:
        """Draining: nobody gets a slot any more."""
        self._closed = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(False)

    def _wake(self) -> None:
        while self._waiting and self._used < self._limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._used += 1
                turn.set_result(True)
