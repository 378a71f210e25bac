"""A member's life so far: what it is made of, what it has opened, and how it stands."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Literal

from .base import Base
from .clock import iso_time
from .config import Config
from .ends import OnStep
from .events import Events
from .handle import Threads
from .health import why_not_live, why_not_ready
from .http import HttpEndpoint
from .log import Log
from .metrics import Metrics, Snapshot
from .mode import AnyHandler
from .record import RecordFacts, State, member_record
from .stats import Stats
from .work import Work

WorkerEnd = Literal["drained", "grace", "forced", "taken", "refused"]
"""How a worker's life ended. `drained`: all that ran has ended. `grace`: handlers still ran.
`forced`: told to stop at once. `taken`: the id is another's. `refused`: the server
refuses the login, or what a member needs."""


class Life:
    """What joining, following and leaving share."""

    def __init__(
        self,
        *,
        config: Config,
        log: Log,
        handler: AnyHandler,
        threads: Threads,
        confirm_acks: bool,
        stall_ms: int,
        on_step: OnStep | None,
    ) -> None:
        self.config = config
        self.log = log
        self.handler = handler
        self.threads = threads
        self.confirm_acks = confirm_acks
        self.stall_ms = stall_ms
        self.on_step = on_step
        self.metrics = Metrics(config, self.snapshot)
        self.stats = Stats(self.metrics)
        self.events = Events(log)
        self.started_at = iso_time()
        self.instance = str(uuid.uuid4())
        self.stop_start = asyncio.Event()
        """Set when a start that is under way has to end."""
        self.end: WorkerEnd | None = None
        self.ended = asyncio.Event()
        self.http: HttpEndpoint | None = None
        self.base: Base | None = None
        self.work: Work | None = None
        self.starting: asyncio.Task[None] | None = None
        self.loops: list[asyncio.Task[None]] = []
        """The heartbeat, and what follows the spec."""
        self.draining: asyncio.Task[None] | None = None
        self.closing: asyncio.Task[None] | None = None
        self.has_joined = False
        self.is_taken = False
        self.is_refused = False
        self.was_paused = False

    @property
    def state(self) -> State:
        """As in the member record."""
        if self.draining is not None:
            return "draining"
        base, work = self.base, self.work
        if base is None or work is None or not base.spec.is_ready or work.mode is None:
            return "starting"
        return "paused" if base.spec.last and base.spec.last.paused else "running"

    def why_not_live(self) -> str | None:
        """Why the process should not be kept; None where it should."""
        mode = self.work.mode if self.work else None
        return why_not_live(self.snapshot().concurrency, mode.handlers.late_count if mode else 0)

    def why_not_ready(self) -> list[str]:
        """Every reason why the member takes no messages; empty when it does."""
        return why_not_ready(
            has_joined=self.has_joined,
            is_connected=self.base is not None and self.base.connection.is_up,
            state=self.state,
            is_degraded=self.work is not None and self.work.is_degraded,
        )

    def snapshot(self) -> Snapshot:
        """What the gauges show."""
        work = self.work
        mode = work.mode if work else None
        spec = self.base.spec if self.base else None
        return Snapshot(
            in_flight=mode.handlers.count if mode else 0,
            held=mode.intake.count if mode else 0,
            suspects=mode.intake.suspect_count if mode else 0,
            concurrency=spec.last.concurrency if spec and spec.last else 0,
            is_degraded=work is not None and work.is_degraded,
            is_breaker_open=work is not None and work.is_breaker_open,
            is_paused=self.state == "paused",
            is_ready=not self.why_not_ready(),
            spec_revision=spec.revision if spec else 0,
        )

    def record(self) -> dict[str, Any]:
        """What the member tells of itself with every heartbeat."""
        base, mode = self.base, self.work.mode if self.work else None
        last = base.spec.last if base else None
        return member_record(
            self.config,
            self.stats,
            RecordFacts(
                instance=self.instance,
                started_at=self.started_at,
                state=self.state,
                snapshot=self.snapshot(),
                restart_needed=base.spec.restart_needed if base else [],
                contracts=base.contracts.names if base else [],
                oldest=mode.intake.oldest if mode else None,
                mode=mode.name if mode else last.delivery.mode if last else "pull",
            ),
        )

    def tell_end(self, end: WorkerEnd) -> None:
        """The first end that is told stays."""
        self.end = self.end or end
        self.ended.set()
