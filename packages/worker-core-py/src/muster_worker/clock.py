"""Time: two clocks for the hold, one text form for the wire."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import NamedTuple


class Instant(NamedTuple):
    """One moment on both clocks, in seconds: the monotonic one stands still while a machine
    sleeps, the wall clock may be set back."""

    monotonic: float
    wall: float


def now() -> Instant:
    """This moment."""
    return Instant(time.monotonic(), time.time())


def gap_ms(since: Instant) -> float:
    """Milliseconds from an instant to now, the larger of both clocks."""
    return 1000 * max(time.monotonic() - since.monotonic, time.time() - since.wall)


def iso_time(at: float | None = None) -> str:
    """RFC 3339 UTC with milliseconds and `Z`; `at` in seconds since 1970, now by default."""
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
