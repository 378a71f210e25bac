"""A worker: one member of a group, from joining to leaving."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self

from .base import Base, open_base
from .batch import BatchHandler
from .clock import iso_time
from .concerns import with_concerns
from .config import LANGUAGE, Config
from .connection import Connection, open_connection
from .ends import OnStep
from .errors import MusterError
from .events import Event, Events
from .handle import Handler, Threads
from .health import why_not_live, why_not_ready
from .http import HttpEndpoint, HttpOptions
from .log import Log, create_log
from .metrics import Metrics, Snapshot
from .middleware import Middleware
from .msg import Msg
from .needs import is_needed
from .protocol.subjects import member_subject
from .record import RecordFacts, State, member_record
from .stats import Stats
from .work import Work

WorkerEnd = Literal["drained", "grace", "forced", "taken", "refused"]
"""How a worker's life ended. `drained`: all that ran has ended. `grace`: handlers still ran.
`forced`: told to stop at once. `taken`: the id is another's. `refused`: the server
refuses the login, or what a member needs."""

STALL_MS = 30_000
"""Silence of a pull after which the watchdog asks the server."""


class Worker:
    """Serves one group with one handler.

    `async with Worker(…) as worker` joins and drains.
    """

    def __init__(
        self,
        handler: Handler | None = None,
        config: Config | None = None,
        *,
        batch_handler: BatchHandler | None = None,
        middleware: Sequence[Middleware] = (),
        log: Log | None = None,
        confirm_acks: bool = False,
        stall_ms: int = STALL_MS,
        on_step: OnStep | None = None,
    ) -> None:
        """One of both handlers is given; `batch_handler` gets several messages at once in a group
        of mode `batch`, one in the other modes.

        `middleware`: run around each call of `handler`, the first one outermost. `log`: JSON lines
        on stdout by default. `confirm_acks`: ask the server to confirm each ack before its place is
        given to the next message; costs speed, and narrows, but does not close, the time in which a
        killed server forgets an ack. `on_step`: called when a delivery passes a step, for tests.
        """
        if config is None or (handler is None) == (batch_handler is None):
            raise TypeError("a worker needs a config, and a handler or a batch_handler")
        if batch_handler is not None and middleware:
            raise TypeError("middleware goes around a handler, not around a batch_handler")
        self.config = config
        self.log = log or create_log(
            config.log_level,
            {
                "stream": config.stream,
                "group": config.group,
                "member": config.member,
                "language": LANGUAGE,
            },
        )
        self._threads = Threads()
        self._handler = with_concerns(
            handler=handler,
            batch_handler=batch_handler,
            middleware=middleware,
            group=config.group,
            threads=self._threads,
        )
        self._confirm_acks = confirm_acks
        self._stall_ms = stall_ms
        self._on_step = on_step
        self.metrics = Metrics(config, self._snapshot)
        """Its `registry()` takes metrics of the application's own."""
        self._stats = Stats(self.metrics)
        self._events = Events(self.log)
        self._started_at = iso_time()
        self._instance = str(uuid.uuid4())
        # Set when a start that is under way has to end.
        self._stop_start = asyncio.Event()
        self._end: WorkerEnd | None = None
        self._ended = asyncio.Event()
        self._http: HttpEndpoint | None = None
        self._base: Base | None = None
        self._work: Work | None = None
        self._starting: asyncio.Task[None] | None = None
        # The heartbeat, and what follows the spec.
        self._loops: list[asyncio.Task[None]] = []
        self._draining: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._has_joined = False
        self._is_taken = False
        self._is_refused = False
        self._was_paused = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.drain()

    @property
    def state(self) -> State:
        """As in the member record."""
        if self._draining is not None:
            return "draining"
        base, work = self._base, self._work
        if base is None or work is None or not base.spec.is_ready or work.mode is None:
            return "starting"
        return "paused" if base.spec.last and base.spec.last.paused else "running"

    @property
    def http_port(self) -> int | None:
        """Port of /metrics, /livez and /readyz; None where there is none."""
        return self._http.port if self._http else None

    def on(self, event: Event, listener: Callable[..., Any]) -> Self:
        """Calls back at each event, see Event. A listener that raises is logged and stops
        nothing."""
        self._events.on(event, listener)
        return self

    async def start(self) -> None:
        """Connects and joins. Returns when joined, or when the group is not there yet and is waited
        for.

        Raises MusterError `port_in_use` where its HTTP port is taken.
        """
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def drain(self) -> None:
        """Stops taking messages, lets handlers finish within the grace, leaves. Idempotent; also
        before `start`."""
        await asyncio.shield(self._begin_drain())

    async def kill(self) -> None:
        """Sets the signals of the handlers and leaves at once."""
        if self._work is not None:
            self._work.abort("worker was forced to stop")
        self._tell_end("forced")
        await self._close()

    async def closed(self) -> WorkerEnd:
        """Returns when the worker has left, however that came."""
        await self._ended.wait()
        assert self._end is not None
        return self._end

    async def _start(self) -> None:
        c = self.config
        if c.http_port is not None:
            self._http = HttpEndpoint(
                HttpOptions(
                    host=c.http_host,
                    port=c.http_port,
                    live=self._why_not_live,
                    ready=self._why_not_ready,
                    metrics=self.metrics.text,
                ),
                self.log,
            )
            await self._http.start()
        try:
            connection = await self._connect()
        except MusterError as error:
            self._refused("login refused", error.code, str(error))
            return
        if connection is None:
            return
        connection.on_forbidden(self._on_forbidden)
        connection.on_change(self._on_connection)
        base = self._base = open_base(
            connection,
            config=c,
            log=self.log,
            instance=self._instance,
            confirm_acks=self._confirm_acks,
        )
        work = self._work = Work(
            base=base,
            handler=self._handler,
            stats=self._stats,
            metrics=self.metrics,
            events=self._events,
            stall_ms=self._stall_ms,
            on_step=self._on_step,
            is_wanted=lambda: self._has_joined and self.state == "running",
        )
        drains = member_subject(c.stream, c.group, c.member, "drain")
        base.connection.listen(drains, self._on_drain_command)
        # The server must know it before anybody can see the record.
        await connection.round_trip(5.0)
        await self._poll(base, work)
        claim = await base.membership.claim(self._record, self._stop_start)
        if self._stop_start.is_set():
            return
        if claim == "taken":
            self._on_taken()
            return
        self._has_joined = True
        work.wake()
        # A core queue group sees only what is published from then on.
        await connection.round_trip(5.0)
        self.log.info("joined", state=self.state, revision=base.spec.revision)
        self._events.emit("joined")
        self._loops = [
            asyncio.create_task(self._beat(base)),
            asyncio.create_task(self._follow(base, work)),
        ]

    async def _connect(self) -> Connection | None:
        """None: told to stop before there was a connection."""
        connecting = asyncio.create_task(open_connection(self.config, self.log))
        stopped = asyncio.create_task(self._stop_start.wait())
        await asyncio.wait({connecting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if connecting.done():
            return connecting.result()
        connecting.cancel()
        await asyncio.wait({connecting})
        return None

    async def _beat(self, base: Base) -> None:
        """Heartbeats until the worker leaves; while draining too: a record that expires looks like
        a crash."""
        while True:
            await asyncio.sleep(self.config.heartbeat_ms / 1000)
            claim = await base.membership.beat(self._record, self._stop_start)
            if claim == "unreachable":
                self.metrics.heartbeat_failures += 1
            if claim == "taken":
                self._on_taken()
                return

    async def _follow(self, base: Base, work: Work) -> None:
        """Follows the spec: beside the heartbeat, which must not expire for a ledger that is slow
        to open."""
        while True:
            await asyncio.sleep(self.config.heartbeat_ms / 1000)
            try:
                await self._poll(base, work)
            except Exception as error:
                # A fault of the core's own: a member that beats and follows nothing would not show.
                self.log.error("spec cannot be used", code="internal", error=repr(error))

    async def _poll(self, base: Base, work: Work) -> None:
        before = base.spec.revision
        await base.spec.poll()
        base.hold.adjust()
        spec = base.spec.last
        if spec is None:
            return
        await base.contracts.refresh(spec.contracts)
        if work.mode is None:
            await work.open(spec)
        if base.spec.revision != before:
            self._events.emit("spec", spec)
            self._tell_pause(spec.paused)
        # Concurrency or pause may have changed.
        work.wake()

    def _tell_pause(self, is_paused: bool) -> None:
        if is_paused != self._was_paused:
            self._was_paused = is_paused
            self.log.info("paused" if is_paused else "resumed")
            self._events.emit("paused" if is_paused else "resumed")

    def _begin_drain(self) -> asyncio.Task[None]:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return self._draining

    async def _drain(self) -> None:
        self.log.info("draining", state="draining")
        self._stop_start.set()
        # A claim on its way would otherwise be made after the record was deleted.
        if self._starting is not None:
            with suppress(Exception):
                await self._starting
        end: WorkerEnd = "drained"
        if self._work is not None and self._base is not None:
            # Handlers may still need the connection: returning what was not started comes first.
            work = self._base.tasks.start(self._work.drain())
            killed = asyncio.create_task(self._ended.wait())
            grace_s = self.config.grace_ms / 1000
            await asyncio.wait({work, killed}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
            killed.cancel()
            if not work.done():
                end = "grace"
                self._work.abort("the grace of the drain is over")
        await self._close()
        self._tell_end("taken" if self._is_taken else "refused" if self._is_refused else end)

    async def _close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._leave())
        await asyncio.shield(self._closing)

    async def _leave(self) -> None:
        self._stop_start.set()
        base = self._base
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if base is not None:
            if not self._is_taken:
                await base.membership.leave()
            if self._work is not None:
                await self._work.close()
            await base.close()
            self.log.info("left")
        self._threads.close()
        if self._http is not None:
            await self._http.close()
        self._events.emit("left")

    def _tell_end(self, end: WorkerEnd) -> None:
        self._end = self._end or end
        self._ended.set()

    def _on_connection(self, is_up: bool) -> None:
        if is_up:
            self.metrics.reconnects += 1

    def _on_drain_command(self, msg: Msg) -> None:
        if msg.reply and self._base is not None:
            self._base.connection.send(msg.reply, b'{"ok":true}')
        self._begin_drain()

    def _on_taken(self) -> None:
        self.log.error(
            "id taken", code="id_taken", error="another process runs under this id; set WORKER_ID"
        )
        self._is_taken = True
        self._begin_drain()

    def _on_forbidden(self, refusal: str) -> None:
        if is_needed(refusal, self.config):
            self._refused("not permitted", "not_permitted", refusal)
        else:
            self.log.error("server error", code="nats_error", error=refusal)

    def _refused(self, message: str, code: str, error: str) -> None:
        """Without what the server refuses there is no work: a process that ends says so more
        clearly than one that waits."""
        if not self._is_refused:
            self.log.error(message, code=code, error=error)
        self._is_refused = True
        self._begin_drain()

    def _why_not_live(self) -> str | None:
        mode = self._work.mode if self._work else None
        return why_not_live(self._snapshot().concurrency, mode.handlers.late_count if mode else 0)

    def _why_not_ready(self) -> list[str]:
        return why_not_ready(
            has_joined=self._has_joined,
            is_connected=self._base is not None and self._base.connection.is_up,
            state=self.state,
            is_degraded=self._work is not None and self._work.is_degraded,
        )

    def _snapshot(self) -> Snapshot:
        work = self._work
        mode = work.mode if work else None
        spec = self._base.spec if self._base else None
        return Snapshot(
            in_flight=mode.handlers.count if mode else 0,
            held=mode.intake.count if mode else 0,
            suspects=mode.intake.suspect_count if mode else 0,
            concurrency=spec.last.concurrency if spec and spec.last else 0,
            is_degraded=work is not None and work.is_degraded,
            is_breaker_open=work is not None and work.is_breaker_open,
            is_paused=self.state == "paused",
            is_ready=not self._why_not_ready(),
            spec_revision=spec.revision if spec else 0,
        )

    def _record(self) -> dict[str, Any]:
        base, mode = self._base, self._work.mode if self._work else None
        last = base.spec.last if base else None
        return member_record(
            self.config,
            self._stats,
            RecordFacts(
                instance=self._instance,
                started_at=self._started_at,
                state=self.state,
                snapshot=self._snapshot(),
                restart_needed=base.spec.restart_needed if base else [],
                contracts=base.contracts.names if base else [],
                oldest=mode.intake.oldest if mode else None,
                mode=mode.name if mode else last.delivery.mode if last else "pull",
            ),
        )
