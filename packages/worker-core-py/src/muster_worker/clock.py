"""Time as the hold needs it: two clocks, and a tick that shows whether the process was stopped."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks, in seconds: either one alone can stand still or jump."""

    monotonic: float
    wall: float

    @staticmethod
    def now() -> Instant:
        """This moment."""
        return Instant(time.monotonic(), time.time())

    def gap_ms(self, earlier: Instant) -> float:
        """Milliseconds since `earlier`, the larger by the two clocks."""
        return 1000 * max(self.monotonic - earlier.monotonic, self.wall - earlier.wall)


class Ticker:
    """Remembers its last two ticks. What arrives counts as extended at the second last one, so a
    process that was stopped does not take for fresh what waited in its socket."""

    def __init__(self, every_ms: float) -> None:
        self.every_ms = every_ms
        self._last = self._second_last = Instant.now()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to tick on the running loop."""
        self._timer = asyncio.get_running_loop().call_later(self.every_ms / 1000, self._tick)

    def stop(self) -> None:
        """Ends the ticking."""
        if self._timer is not None:
            self._timer.cancel()

    @property
    def second_last(self) -> Instant:
        """The tick before the last one."""
        return self._second_last

    def _tick(self) -> None:
        self._second_last, self._last = self._last, Instant.now()
        self.start()


def rfc3339(at: float | None = None) -> str:
    """RFC 3339 UTC with milliseconds and `Z`; `at` in seconds, now by default."""
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
