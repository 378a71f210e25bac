"""What takes messages, once there is a spec it can work by: the delivery mode with its ledger, and
what holds it back, an outage, the breaker, or a watchdog that sees it stall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .base import Base
from .breaker import Breaker
from .ends import Ends, OnStep
from .errors import MusterError, Unreachable
from .events import Events
from .ledger.ledger import Ledger
from .ledger.open import open_ledger
from .metrics import Metrics
from .mode import AnyHandler, Mode, ModeParts, open_mode
from .outage import Outage
from .protocol.spec import GroupSpec
from .spec_check import what_is_not_promised, why_unsupported
from .stats import Stats
from .watchdog import Watchdog


class Work:
    """The work of a member."""

    def __init__(
        self,
        *,
        base: Base,
        handler: AnyHandler,
        stats: Stats,
        metrics: Metrics,
        events: Events,
        stall_ms: int,
        on_step: OnStep | None,
        is_wanted: Callable[[], bool],
    ) -> None:
        """`is_wanted`: False while the member has not joined, is paused, drains, or has no spec."""
        self._base = base
        self._handler = handler
        self._stats = stats
        self._metrics = metrics
        self._events = events
        self._stall_ms = stall_ms
        self._on_step = on_step
        self._is_wanted = is_wanted
        self._is_closed = False
        self._said: tuple[int, str] | None = None
        self.mode: Mode | None = None
        """None until there was a spec that can be used; it stays for the life of the process."""
        self._breaker = Breaker(
            lambda: base.spec.last.breaker if base.spec.last else None, self._on_breaker
        )
        self._outage = Outage(
            is_reachable=self._is_reachable,
            on_recovered=self._on_recovered,
            tasks=base.tasks,
            log=base.log,
        )

    @property
    def is_breaker_open(self) -> bool:
        """True while too much fails."""
        return self._breaker.is_open

    @property
    def is_degraded(self) -> bool:
        """True while it takes nothing because something does not answer or too much fails."""
        return self._outage.is_on or self._breaker.is_open

    async def open(self, spec: GroupSpec) -> None:
        """Opens the mode that the spec asks for, or says what stands in the way and is asked
        again."""
        base = self._base
        why = why_unsupported(spec, base.config)
        if why is not None:
            self._say("unsupported_spec", why)
            return
        try:
            ledger = await open_ledger(spec, base, self._metrics)
        except MusterError as error:
            self._say(error.code, str(error))
            return
        if self._is_closed:
            await ledger.close()
        else:
            self._begin(spec, ledger)

    def wake(self) -> None:
        """Something may have changed: a pause, the concurrency, the membership."""
        if self.mode is not None:
            self.mode.intake.pump()
            self.mode.source.wake()

    async def drain(self) -> None:
        """Stops taking messages, gives back what was not started, and returns when all handlers
        have ended."""
        mode = self.mode
        if mode is None:
            return
        # Unsubscribed first: what is given back must not be pushed to us again, or, when we are
        # gone, to nobody.
        mode.intake.stop()
        await mode.source.drain()
        await mode.intake.drain()

    def abort(self, why: str) -> None:
        """Sets the signals of the handlers that run."""
        if self.mode is not None:
            self.mode.handlers.abort(why)

    async def close(self) -> None:
        """Ends the handlers that still run, and the ledger."""
        self._is_closed = True
        self._breaker.close()
        if self.mode is not None:
            await self.mode.close()

    def _begin(self, spec: GroupSpec, ledger: Ledger) -> None:
        base = self._base
        for code, limit in what_is_not_promised(spec):
            base.log.warning("not promised", code=code, limit=limit)
        self._said = None
        base.spec.begin_with(spec)
        self.mode = open_mode(
            spec.delivery.mode,
            ModeParts(
                base=base,
                ledger=ledger,
                handler=self._handler,
                stats=self._stats,
                ends=Ends(
                    stats=self._stats,
                    log=base.log,
                    events=self._events,
                    on_step=self._on_step,
                    on_attempt=self._breaker.attempt_ended,
                ),
                spec=self._in_force(spec),
                may_pull=self._may_pull,
                on_unreachable=self._on_unreachable,
                on_queue_lost=self._on_queue_lost,
            ),
        )
        if self.mode.pull is not None:
            watchdog = Watchdog(
                wire=base.wire,
                config=base.config,
                log=base.log,
                pull=self.mode.pull,
                is_pull_wanted=self._may_pull,
                on_stalled=self._on_stalled,
                stall_ms=self._stall_ms,
            )
            base.tasks.start(watchdog.run())

    def _in_force(self, first: GroupSpec) -> Callable[[], GroupSpec]:
        """The last spec, but for what needs a restart."""
        spec, seen = first, first

        def in_force() -> GroupSpec:
            nonlocal spec, seen
            last = self._base.spec.last
            if last is not None and last is not seen:
                seen = last
                spec = replace(last, delivery=first.delivery, ledger=first.ledger)
            return spec

        return in_force

    def _may_pull(self) -> bool:
        return self._is_wanted() and not self.is_degraded

    async def _is_reachable(self) -> bool:
        return self.mode is None or await self.mode.ledger.is_reachable()

    def _on_unreachable(self, error: Unreachable) -> None:
        self._stats.last_error = str(error)
        if self._outage.begin(error):
            self._events.emit("degraded", str(error))
            self.wake()

    def _on_recovered(self) -> None:
        self._events.emit("recovered")
        self.wake()

    def _on_breaker(self, is_open: bool) -> None:
        if is_open:
            self._base.log.warning("degraded", code="breaker_open")
            self._events.emit("degraded", "too many attempts fail")
        else:
            self._base.log.info("recovered", code="breaker_closed")
            self._events.emit("recovered")
        self.wake()

    def _on_stalled(self) -> None:
        self._metrics.pull_recreated += 1
        self._events.emit("stalled")

    def _on_queue_lost(self) -> None:
        self._metrics.queue_lost += 1

    def _say(self, code: str, error: str) -> None:
        revision = self._base.spec.revision
        if (revision, error) != self._said:
            self._said = (revision, error)
            is_away = code == "unreachable"
            message = "ledger cannot be opened" if is_away else "spec cannot be used"
            self._base.log.error(message, code=code, revision=revision, error=error)
