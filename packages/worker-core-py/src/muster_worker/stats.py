"""What a member has done, for its heartbeat."""

from __future__ import annotations

import time
from collections import Counter, deque

from .message import Message

WINDOW = 500
"""Handling times kept for the percentiles."""

OUTCOMES = ("done", "retry", "snoozed", "returned", "dead", "repeat", "stale")


class Stats:
    """Counts by outcome and handling times."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.in_flight = 0
        self.last_error: str | None = None
        self._times: deque[float] = deque(maxlen=WINDOW)

    def settled(self, outcome: str, message: Message) -> None:
        """One delivery ended in `outcome`."""
        self.counts[outcome] += 1

    def handled(self, started: float) -> None:
        """One handler returned; `started` on the monotonic clock, in seconds."""
        self._times.append(1000 * (time.monotonic() - started))

    def percentile_ms(self, share: float) -> int | None:
        """Handling time that `share` of the last handlers stayed below."""
        if not self._times:
            return None
        ordered = sorted(self._times)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))])
