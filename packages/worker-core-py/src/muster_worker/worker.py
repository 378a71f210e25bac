"""A worker: one member of a group, from joining to leaving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from .batch import BatchHandler
from .concerns import with_concerns
from .config import LANGUAGE, Config
from .ends import OnStep
from .events import Event
from .handle import Handler, Threads
from .join import join
from .leave import close, drain
from .life import Life, WorkerEnd
from .log import Log, create_log
from .middleware import Middleware
from .record import State

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
        threads = Threads()
        self._life = Life(
            config=config,
            log=self.log,
            handler=with_concerns(
                handler=handler,
                batch_handler=batch_handler,
                middleware=middleware,
                group=config.group,
                threads=threads,
            ),
            threads=threads,
            confirm_acks=confirm_acks,
            stall_ms=stall_ms,
            on_step=on_step,
        )
        self.metrics = self._life.metrics
        """Its `registry()` takes metrics of the application's own."""

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
        return self._life.state

    @property
    def http_port(self) -> int | None:
        """Port of /metrics, /livez and /readyz; None where there is none."""
        http = self._life.http
        return http.port if http else None

    def on(self, event: Event, listener: Callable[..., Any]) -> Self:
        """Calls back at each event, see Event. A listener that raises is logged and stops
        nothing."""
        self._life.events.on(event, listener)
        return self

    async def start(self) -> None:
        """Connects and joins. Returns when joined, or when the group is not there yet and is waited
        for.

        Raises MusterError `port_in_use` where its HTTP port is taken.
        """
        if self._life.starting is None:
            self._life.starting = asyncio.create_task(join(self._life))
        await asyncio.shield(self._life.starting)

    async def drain(self) -> None:
        """Stops taking messages, lets handlers finish within the grace, leaves. Idempotent; also
        before `start`."""
        await asyncio.shield(drain(self._life))

    async def kill(self) -> None:
        """Sets the signals of the handlers and leaves at once."""
        if self._life.work is not None:
            self._life.work.abort("worker was forced to stop")
        self._life.tell_end("forced")
        await close(self._life)

    async def closed(self) -> WorkerEnd:
        """Returns when the worker has left, however that came."""
        await self._life.ended.wait()
        assert self._life.end is not None
        return self._life.end
