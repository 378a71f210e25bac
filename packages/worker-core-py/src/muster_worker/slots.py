"""The messages in hand, run one by one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .delivery import Ready, Steps
from .ends import Delivery
from .handle import AsyncHandler, Handlers
from .hold import Held, Hold
from .intake import Oldest
from .ledger.ledger import LedgerTransaction
from .message import Message
from .settle import AfterSettle, Settlement, roll_back
from .tasks import Tasks


@dataclass(frozen=True, kw_only=True)
class SlotParts:
    """What runs messages one by one."""

    steps: Steps
    settlement: Settlement
    handlers: Handlers
    handler: AsyncHandler
    hold: Hold
    tasks: Tasks
    transaction: Callable[[], LedgerTransaction | None]
    concurrency: Callable[[], int]
    on_received: Callable[[Message], None]
    on_free: Callable[[], None]
    """Called when a place in hand has become free."""


class Slots:
    """Those waiting, the suspects, and those that run, at most `concurrency` of them.

    A suspect may have killed its last process, so one runs at a time and its start is noted first:
    it then takes no neighbour's attempts with it.
    """

    def __init__(self, parts: SlotParts) -> None:
        self._p = parts
        self._waiting: deque[Held] = deque()
        self._suspects: deque[Ready] = deque()
        # In the order of their starts.
        self._running: dict[Held, float] = {}
        self._suspect_that_runs: Held | None = None
        self._is_pumping = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def count(self) -> int:
        """Messages in hand, started or not."""
        return len(self._waiting) + len(self._suspects) + len(self._running)

    @property
    def has_free_slot(self) -> bool:
        """True when a message that came now would start at once."""
        return not self._waiting and len(self._running) < self._p.concurrency()

    @property
    def suspect_count(self) -> int:
        """Suspects that wait for their turn."""
        return len(self._suspects)

    @property
    def oldest(self) -> Oldest | None:
        """The message that runs longest."""
        for held, since in self._running.items():
            return Oldest(held.message.sequence, since)
        return None

    def take(self, message: Message) -> None:
        """Takes a message that came."""
        held = self._p.hold.add(message)
        self._p.on_received(message)
        if self._p.steps.is_draining:
            self._p.steps.give_back(held)
            return
        self._waiting.append(held)
        self.pump()

    def pump(self) -> None:
        """Starts what there is room for."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            most = self._p.concurrency()
            while len(self._running) < most and self._start_next():
                pass
        finally:
            self._is_pumping = False

    def stop(self) -> None:
        """Has nothing more started; what waits is given back by `drain`."""
        self._p.steps.is_draining = True

    async def drain(self) -> None:
        """Gives back what was not started and returns when nothing runs any more."""
        steps = self._p.steps
        self.stop()
        not_started = [*self._waiting, *(ready.delivery.held for ready in self._suspects)]
        self._waiting.clear()
        self._suspects.clear()
        for held in not_started:
            steps.give_back(held)
        await self._idle.wait()

    def _start_next(self) -> bool:
        """False when there is nothing to start."""
        if self._suspects and self._suspect_that_runs is None:
            suspect = self._suspects.popleft()
            held = self._suspect_that_runs = suspect.delivery.held
            self._enter(held)
            self._p.tasks.start(self._start_suspect(suspect))
            return True
        if not self._waiting:
            return False
        held = self._waiting.popleft()
        self._enter(held)
        try:
            ready = self._p.steps.begin(held)
            if ready is None:
                self._p.tasks.start(self._prepare(held))
            else:
                self._handle(ready)
        except Exception as error:
            self._p.steps.broken(held, error)
            self.end(held)
        return True

    async def _prepare(self, held: Held) -> None:
        steps = self._p.steps
        try:
            ready = await steps.prepare(held)
            if ready is None:
                self.end(held)
            elif ready.is_suspect and not steps.is_draining:
                # It gives its slot up and is only held until its turn comes.
                self._suspects.append(ready)
                self._leave(held)
            else:
                self._handle(ready)
        except Exception as error:
            steps.broken(held, error)
            self.end(held)

    async def _start_suspect(self, ready: Ready) -> None:
        held = ready.delivery.held
        try:
            if await self._p.steps.note_start(ready.delivery):
                self._handle(ready)
            else:
                self.end(held)
        except Exception as error:
            self._p.steps.broken(held, error)
            self.end(held)

    def _handle(self, ready: Ready) -> None:
        p, delivery = self._p, ready.delivery
        if not p.steps.may_go_on(delivery.held):
            self.end(delivery.held)
            return
        delivery.started_at = time.time()
        delivery.tx = p.transaction()
        p.handlers.start(p.handler, ready.value, delivery, _Listener(self, p, ready))

    async def after_settling(self, settled: Awaitable[AfterSettle], ready: Ready) -> None:
        """Waits for the end of a delivery, and frees its slot."""
        try:
            if await settled == "again":
                self._handle(ready)
                return
        except Exception as error:
            self._p.steps.broken(ready.delivery.held, error)
        self.end(ready.delivery.held)

    async def after_deadline(
        self,
        delivery: Delivery,
        value: Any,
        error: BaseException | None,
        retried: Awaitable[None] | None,
    ) -> None:
        """The slot was taken until now; a commit that the handler still made is honoured."""
        try:
            if retried is not None:
                await retried
            if error is None:
                await self._p.settlement.returned_late(delivery, value)
            else:
                await roll_back(delivery)
        except Exception as failure:
            self._p.steps.broken(delivery.held, failure)
        self.end(delivery.held)

    def end(self, held: Held) -> None:
        """The message is not in hand any more."""
        self._p.hold.release(held)
        self._leave(held)

    def _enter(self, held: Held) -> None:
        self._running[held] = time.time()
        self._idle.clear()

    def _leave(self, held: Held) -> None:
        """The slot is free."""
        self._running.pop(held, None)
        if self._suspect_that_runs is held:
            self._suspect_that_runs = None
        self.pump()
        self._p.on_free()
        if not self._running:
            self._idle.set()


class _Listener:
    """Told how the handler of one delivery went."""

    __slots__ = ("_parts", "_ready", "_retried", "_slots")

    def __init__(self, slots: Slots, parts: SlotParts, ready: Ready) -> None:
        self._slots = slots
        self._parts = parts
        self._ready = ready
        self._retried: asyncio.Task[None] | None = None

    def on_end(self, value: Any, error: BaseException | None) -> None:
        delivery, settlement = self._ready.delivery, self._parts.settlement
        settled: Awaitable[AfterSettle] | None
        if error is None:
            settled = settlement.returned(delivery, value)
        else:
            settled = settlement.raised(delivery, error)
        if settled is None:
            self._slots.end(delivery.held)
        else:
            self._parts.tasks.start(self._slots.after_settling(settled, self._ready))

    def on_deadline(self, timeout_ms: int) -> None:
        self._retried = self._parts.tasks.start(self._retry(timeout_ms))

    def on_late_end(self, value: Any, error: BaseException | None) -> None:
        delivery = self._ready.delivery
        work = self._slots.after_deadline(delivery, value, error, self._retried)
        self._parts.tasks.start(work)

    async def _retry(self, timeout_ms: int) -> None:
        delivery = self._ready.delivery
        try:
            error = f"handler exceeded {timeout_ms} ms"
            await self._parts.settlement.retry(delivery, "DeadlineExceeded", error)
        except Exception as error:
            self._parts.steps.broken(delivery.held, error)
