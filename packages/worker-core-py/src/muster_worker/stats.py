"""What a member tells of itself: deliveries by outcome and the latest handling times."""

from __future__ import annotations

from collections import deque

from .handle import HandlerOutcome
from .metrics import Metrics, Outcome, Reason

_KEPT_SAMPLES = 512


class Stats:
    """Counts for the member record and the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._samples: deque[float] = deque(maxlen=_KEPT_SAMPLES)
        self.last_error: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Deliveries by outcome."""
        return dict(self._metrics.deliveries)

    def count(self, outcome: Outcome, reason: Reason | None = None) -> None:
        """A delivery has ended; `reason` of a dead letter."""
        self._metrics.deliveries[outcome] += 1
        if reason is not None:
            self._metrics.dead_letters[reason] += 1

    def settled(self, seconds: float) -> None:
        """A message is settled, so long after it was received."""
        self._metrics.settle.observe(seconds)

    def observe(self, seconds: float, outcome: HandlerOutcome) -> None:
        """Notes how long a handler took."""
        self._samples.append(seconds)
        self._metrics.handler[outcome].observe(seconds)

    def percentile_ms(self, share: float) -> float | None:
        """The given share of the latest handlers was at most this fast; None before the first."""
        if not self._samples:
            return None
        ordered = sorted(self._samples)
        return round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)
