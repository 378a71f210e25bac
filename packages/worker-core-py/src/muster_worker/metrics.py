"""The metrics of one worker, under names that are the same in every language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from .config import CORE_VERSION, LANGUAGE, Config
from .exposition import (
    Collector,
    ExportedMetric,
    Histogram,
    counter,
    counters,
    gauge,
    histogram,
)
from .handle import HandlerOutcome

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Outcome = Literal["done", "retry", "snoozed", "returned", "dead", "repeat", "stale", "lost"]
"""How a delivery ended; `lost`: it was not ours any more."""

Reason = Literal["invalid", "unknown_contract", "permanent", "exhausted", "crash_loop", "conflict"]
"""Why a message is set aside."""

LedgerOp = Literal["look_up", "write"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of `Metrics.text`."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What the gauges show; read when they are asked for, at no cost before."""

    in_flight: int
    """Handlers that run."""
    held: int
    """Messages in hand, started or not."""
    suspects: int
    """Suspects that wait for their turn."""
    concurrency: int
    is_degraded: bool
    is_breaker_open: bool
    is_paused: bool
    is_ready: bool
    spec_revision: int
    """0 before the first spec."""


class Metrics:
    """A message costs a few additions to plain numbers.

    prometheus-client's own counters take a lock for each; here it only writes the numbers out, and
    is loaded at the first scrape.
    """

    def __init__(self, config: Config, read: Callable[[], Snapshot]) -> None:
        self._config = config
        self._read = read
        self.deliveries: dict[str, int] = dict.fromkeys(get_args(Outcome), 0)
        self.dead_letters: dict[str, int] = dict.fromkeys(get_args(Reason), 0)
        self.handler = {name: Histogram() for name in get_args(HandlerOutcome)}
        self.settle = Histogram()
        self.ledger = {name: Histogram() for name in get_args(LedgerOp)}
        self.pull_recreated = 0
        self.reconnects = 0
        self.heartbeat_failures = 0
        self.queue_lost = 0
        self._registry: CollectorRegistry | None = None

    def text(self) -> bytes:
        """All of it in Prometheus' text format, CONTENT_TYPE."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry())

    def registry(self) -> CollectorRegistry:
        """prometheus-client's registry, for metrics of the application's own; each worker has one,
        none is global."""
        if self._registry is None:
            from prometheus_client import CollectorRegistry

            labels = {
                "stream": self._config.stream,
                "group": self._config.group,
                "member": self._config.member,
                "language": LANGUAGE,
            }
            self._registry = CollectorRegistry()
            self._registry.register(Collector(metrics=self._table(), labels=labels))
        return self._registry

    def _table(self) -> list[ExportedMetric]:
        now = self._read
        versions = {"core_version": CORE_VERSION, "app_version": self._config.version}
        return [
            counters(
                "muster_deliveries_total",
                "Deliveries by what they ended in",
                "outcome",
                self.deliveries,
            ),
            counters(
                "muster_dead_letters_total", "Dead letters published", "reason", self.dead_letters
            ),
            histogram("muster_handler_seconds", "Time in the handler", "outcome", self.handler),
            histogram(
                "muster_settle_seconds",
                "Time from receipt to settled",
                None,
                {"all": self.settle},
            ),
            histogram(
                "muster_ledger_seconds", "Time of a request to the ledger", "op", self.ledger
            ),
            gauge("muster_in_flight", "Handlers that run", lambda: now().in_flight),
            gauge("muster_held", "Messages in hand, started or not", lambda: now().held),
            gauge("muster_concurrency", "Handlers that may run at once", lambda: now().concurrency),
            gauge("muster_suspects", "Suspects that wait for their turn", lambda: now().suspects),
            gauge(
                "muster_degraded",
                "1 while a dependency is unreachable",
                lambda: now().is_degraded,
            ),
            gauge(
                "muster_breaker_open",
                "1 while the breaker keeps from pulling",
                lambda: now().is_breaker_open,
            ),
            gauge("muster_paused", "1 while the group is paused", lambda: now().is_paused),
            gauge("muster_ready", "1 while the member takes messages", lambda: now().is_ready),
            gauge(
                "muster_spec_revision",
                "Revision of the group's spec in use",
                lambda: now().spec_revision,
            ),
            counter(
                "muster_pull_recreated_total",
                "Stalled pulls made again",
                lambda: self.pull_recreated,
            ),
            counter(
                "muster_reconnects_total",
                "Times the connection came back",
                lambda: self.reconnects,
            ),
            counter(
                "muster_heartbeat_failures_total",
                "Heartbeats not written",
                lambda: self.heartbeat_failures,
            ),
            counter(
                "muster_queue_lost_total",
                "Messages of a queue group dropped",
                lambda: self.queue_lost,
            ),
            gauge(
                "muster_build_info",
                "Versions of the core and of the application",
                lambda: 1,
                versions,
            ),
        ]
