"""How long a failed attempt waits for its next one."""

from __future__ import annotations

import math
from collections.abc import Sequence


def backoff_delay_ms(backoff_ms: Sequence[int], jitter: float, attempt: int, random: float) -> int:
    """Delay after attempt `attempt` (1-based); the last step repeats.

    `random` is uniform in [0, 1) and spreads the delay by ± `jitter` of itself.
    """
    base = backoff_ms[min(attempt, len(backoff_ms)) - 1]
    return math.floor(base * (1 + jitter * (2 * random - 1)) + 0.5)
