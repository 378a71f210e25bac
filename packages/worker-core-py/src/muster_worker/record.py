"""The member's record, as it is written with every heartbeat."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .clock import iso_time
from .config import CORE_VERSION, LANGUAGE, Config
from .intake import Oldest
from .metrics import Snapshot
from .stats import Stats

State = Literal["starting", "running", "paused", "draining"]


@dataclass(frozen=True, kw_only=True)
class RecordFacts:
    """What a member tells of itself beside what its configuration and figures say."""

    instance: str
    started_at: str
    state: State
    snapshot: Snapshot
    restart_needed: Sequence[str]
    contracts: Sequence[str]
    oldest: Oldest | None
    mode: str
    """The mode it runs in; a changed one needs a restart."""


def member_record(config: Config, stats: Stats, facts: RecordFacts) -> dict[str, Any]:
    """The document."""
    now, oldest = facts.snapshot, facts.oldest
    record: dict[str, Any] = {
        "v": 1,
        "id": config.member,
        "instance": facts.instance,
        "language": LANGUAGE,
        "core_version": CORE_VERSION,
        "app_version": config.version,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started_at": facts.started_at,
        "state": facts.state,
        "degraded": now.is_degraded,
        "delivery": facts.mode,
        "concurrency": now.concurrency,
        "in_flight": now.in_flight,
        "held": now.held,
        "counts": stats.counts,
        "spec_revision": now.spec_revision,
        "contracts": list(facts.contracts),
        "restart_needed": list(facts.restart_needed),
    }
    optional = {
        "p50_ms": stats.percentile_ms(0.5),
        "p99_ms": stats.percentile_ms(0.99),
        "last_error": stats.last_error,
        "oldest": oldest and {"sequence": oldest.sequence, "since": iso_time(oldest.since)},
    }
    return record | {name: value for name, value in optional.items() if value is not None}
