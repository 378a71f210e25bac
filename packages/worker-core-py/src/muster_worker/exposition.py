"""Metrics in plain numbers, and how they are written out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prometheus_client import Metric

BUCKET_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)
"""Upper bounds of the histograms' buckets in seconds."""


class Histogram:
    """Observations by bucket, BUCKET_BOUNDS."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKET_BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Notes one observation."""
        # A clock that was set back must not spoil the sum for ever.
        if seconds >= 0:
            self.counts[bisect_left(BUCKET_BOUNDS, seconds)] += 1
            self.sum += seconds


Values = Callable[[], Iterable[tuple[Mapping[str, str], "float | Histogram"]]]


@dataclass(frozen=True, kw_only=True)
class ExportedMetric:
    """A metric as it is written out; `values` is asked at each scrape, with the labels."""

    name: str
    help: str
    type: Literal["counter", "gauge", "histogram"]
    values: Values


def gauge(
    name: str, text: str, value: Callable[[], float], labels: Mapping[str, str] | None = None
) -> ExportedMetric:
    """A value that goes up and down; a boolean is 1 or 0."""
    return ExportedMetric(
        name=name, help=text, type="gauge", values=lambda: [(labels or {}, float(value()))]
    )


def counter(name: str, text: str, value: Callable[[], float]) -> ExportedMetric:
    """A count without labels."""
    return ExportedMetric(name=name, help=text, type="counter", values=lambda: [({}, value())])


def counters(name: str, text: str, label: str, counts: Mapping[str, int]) -> ExportedMetric:
    """Counts by the values of one label, all of them, also at 0."""
    return ExportedMetric(
        name=name,
        help=text,
        type="counter",
        values=lambda: [({label: key}, count) for key, count in counts.items()],
    )


def histogram(
    name: str, text: str, label: str | None, by_label: Mapping[str, Histogram]
) -> ExportedMetric:
    """Histograms by the values of one label; without a label there is one."""
    return ExportedMetric(
        name=name,
        help=text,
        type="histogram",
        values=lambda: [({label: key} if label else {}, one) for key, one in by_label.items()],
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Collector:
    """What prometheus-client asks at each scrape."""

    metrics: Iterable[ExportedMetric]
    labels: Mapping[str, str] = field(default_factory=dict)
    """On every line."""

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        from prometheus_client import Metric

        for one in self.metrics:
            metric = Metric(one.name.removesuffix("_total"), one.help, one.type)
            for labels, value in one.values():
                every = {**self.labels, **labels}
                if isinstance(value, Histogram):
                    _add_histogram(metric, one.name, every, value)
                else:
                    metric.add_sample(one.name, every, value)
            yield metric


def _add_histogram(metric: Metric, name: str, labels: dict[str, str], value: Histogram) -> None:
    bounds = [*map(str, BUCKET_BOUNDS), "+Inf"]
    totals = list(accumulate(value.counts))
    for bound, total in zip(bounds, totals, strict=True):
        metric.add_sample(f"{name}_bucket", {**labels, "le": bound}, total)
    metric.add_sample(f"{name}_sum", labels, value.sum)
    metric.add_sample(f"{name}_count", labels, totals[-1])
