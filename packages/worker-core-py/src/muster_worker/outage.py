"""A dependency that does not answer: the member takes no messages until it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .errors import Unreachable
from .log import Log
from .tasks import Tasks

_ASK_EVERY_S = 1.0


class Outage:
    """Asked every second."""

    def __init__(
        self,
        *,
        is_reachable: Callable[[], Awaitable[bool]],
        on_recovered: Callable[[], None],
        tasks: Tasks,
        log: Log,
    ) -> None:
        self._is_reachable = is_reachable
        self._on_recovered = on_recovered
        self._tasks = tasks
        self._log = log
        self.is_on = False

    def begin(self, error: Unreachable) -> bool:
        """Something did not answer. False when that is known already."""
        if self.is_on:
            return False
        self.is_on = True
        self._log.warning("degraded", code="unreachable", error=str(error))
        self._tasks.start(self._wait_until_over())
        return True

    async def _wait_until_over(self) -> None:
        while True:
            await asyncio.sleep(_ASK_EVERY_S)
            if await self._is_reachable():
                break
        self.is_on = False
        self._log.info("recovered")
        self._on_recovered()
