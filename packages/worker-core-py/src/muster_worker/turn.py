"""Work put off to the end of this turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Work = Callable[[], None]


class Turn:
    """Does once what many messages want: acks and the next request then leave in one write, where
    one by one each would be a write of its own."""

    def __init__(self) -> None:
        self._work: dict[Work, None] = {}

    def at_end(self, work: Work) -> None:
        """Runs `work` once at the end of the turn, however often it is asked for."""
        if not self._work:
            asyncio.get_running_loop().call_soon(self._run)
        self._work[work] = None

    def _run(self) -> None:
        work, self._work = self._work, {}
        for one in work:
            one()
