"""Stops taking messages for a while when too many attempts fail at once.

A dependency of the handlers is down, and every message taken meanwhile would only use up its
attempts. Off unless the spec has `breaker`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from .protocol.spec import BreakerSpec

_BUCKETS = 10


class _Bucket:
    """Attempts of a tenth of the window."""

    __slots__ = ("at", "ended", "failed")

    def __init__(self, at: float) -> None:
        self.at = at
        self.ended = 0
        self.failed = 0


class Breaker:
    """Open: the member takes nothing."""

    def __init__(
        self, limits: Callable[[], BreakerSpec | None], on_change: Callable[[bool], None]
    ) -> None:
        """`on_change` is told when it opens and when it closes."""
        self._limits = limits
        self._on_change = on_change
        self._buckets: list[_Bucket] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether messages may not be taken."""
        return self._timer is not None

    def attempt_ended(self, failed: bool) -> None:
        """An attempt has ended. A permanent failure or a snooze is the message's own and counts as
        no failure."""
        limits = self._limits()
        if limits is None or self.is_open:
            return
        bucket = self._bucket_at(time.monotonic(), limits.window_ms / 1000)
        bucket.ended += 1
        if failed:
            bucket.failed += 1
            self._open_when_due(limits)

    def close(self) -> None:
        """Ends its timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _bucket_at(self, at: float, window_s: float) -> _Bucket:
        last = self._buckets[-1] if self._buckets else None
        if last is not None and at - last.at < window_s / _BUCKETS:
            return last
        kept = [bucket for bucket in self._buckets if at - bucket.at < window_s]
        self._buckets = [*kept, _Bucket(at)]
        return self._buckets[-1]

    def _open_when_due(self, limits: BreakerSpec) -> None:
        ended = sum(bucket.ended for bucket in self._buckets)
        failed = sum(bucket.failed for bucket in self._buckets)
        if ended < limits.min_attempts or failed / ended < limits.failure_share:
            return
        self._buckets = []
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(limits.pause_ms / 1000, self._end_pause)
        self._on_change(True)

    def _end_pause(self) -> None:
        self._timer = None
        self._on_change(False)
