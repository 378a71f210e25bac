"""The messages in hand, run in batches."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from .batch import batch_shape, outcomes_of
from .batch_settle import ROUNDS, BatchSettlement
from .context import Context
from .delivery import Ready, Steps
from .handle import Handlers
from .hold import Held, Hold
from .intake import Oldest
from .ledger.ledger import LedgerTransaction
from .message import Message
from .tasks import Tasks


@dataclass(frozen=True, kw_only=True)
class BatchSlotParts:
    """What runs messages in batches."""

    steps: Steps
    settlement: BatchSettlement
    handlers: Handlers
    handler: Callable[[Sequence[Context], Context], Awaitable[Any]]
    hold: Hold
    tasks: Tasks
    transaction: Callable[[], LedgerTransaction | None]
    concurrency: Callable[[], int]
    size: Callable[[], int]
    """Messages of a batch."""
    wait_s: Callable[[], float]
    """How long the oldest waits for the batch to fill."""
    on_received: Callable[[Message], None]
    on_free: Callable[[], None]


class BatchSlots:
    """A batch starts when it is full or its oldest message has waited long enough, and a loop is
    free. A suspect is a batch of its own."""

    def __init__(self, parts: BatchSlotParts) -> None:
        self._p = parts
        self._waiting: deque[tuple[Held, float]] = deque()
        self._suspects: deque[Ready] = deque()
        self._running: dict[Held, float] = {}
        self._loops = 0
        self._does_suspect_run = False
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def count(self) -> int:
        """Messages in hand, started or not."""
        return len(self._waiting) + len(self._suspects) + len(self._running)

    @property
    def has_free_slot(self) -> bool:
        """True when a loop has nothing to do."""
        shape = batch_shape(self._p.size(), self._p.concurrency())
        return not self._waiting and self._loops < shape.loops

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
        self._waiting.append((held, time.monotonic()))
        self.pump()

    def pump(self) -> None:
        """Starts the batches there is room for."""
        size, loops = batch_shape(self._p.size(), self._p.concurrency())
        while self._loops < loops:
            if self._suspects and not self._does_suspect_run:
                suspect = self._suspects.popleft()
                self._does_suspect_run = True
                self._start([suspect.delivery.held], self._run_suspect(suspect))
                continue
            if not self._waiting:
                return
            left_s = self._p.wait_s() - (time.monotonic() - self._waiting[0][1])
            if len(self._waiting) < size and left_s > 0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(left_s, self._on_timer)
                return
            batch = [self._waiting.popleft()[0] for _ in range(min(size, len(self._waiting)))]
            self._start(batch, self._run_batch(batch))

    def stop(self) -> None:
        """Has nothing more started; what waits is given back by `drain`."""
        self._p.steps.is_draining = True

    async def drain(self) -> None:
        """Gives back what was not started and returns when nothing runs any more."""
        steps = self._p.steps
        self.stop()
        if self._timer is not None:
            self._timer.cancel()
        not_started = [held for held, _ in self._waiting]
        not_started += [ready.delivery.held for ready in self._suspects]
        self._waiting.clear()
        self._suspects.clear()
        for held in not_started:
            steps.give_back(held)
        await self._idle.wait()

    def _on_timer(self) -> None:
        self._timer = None
        self.pump()

    def _start(self, batch: Sequence[Held], work: Coroutine[Any, Any, None]) -> None:
        self._loops += 1
        self._idle.clear()
        for held in batch:
            self._running[held] = time.time()
        self._p.tasks.start(self._loop(batch, work))

    async def _loop(self, batch: Sequence[Held], work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            for held in batch:
                self._p.steps.broken(held, error)
        finally:
            self._loops -= 1
            for held in batch:
                self._running.pop(held, None)
                self._p.hold.release(held)
            self.pump()
            self._p.on_free()
            if self._loops == 0:
                self._idle.set()

    async def _run_batch(self, batch: list[Held]) -> None:
        """Takes out of `batch` what it parks."""
        steps = self._p.steps
        begun = [(held, steps.begin(held)) for held in batch]
        ready = [now for _, now in begun if now is not None]
        long_way = [self._prepare(held) for held, now in begun if now is None]
        for prepared in await asyncio.gather(*long_way):
            if prepared is None:
                continue
            if prepared.is_suspect and not steps.is_draining:
                # No longer this batch's: it may run by itself when this one ends.
                batch.remove(prepared.delivery.held)
                self._running.pop(prepared.delivery.held, None)
                self._suspects.append(prepared)
            else:
                ready.append(prepared)
        await self._handle(ready)

    async def _prepare(self, held: Held) -> Ready | None:
        try:
            return await self._p.steps.prepare(held)
        except Exception as error:
            self._p.steps.broken(held, error)
            return None

    async def _run_suspect(self, suspect: Ready) -> None:
        try:
            if await self._p.steps.note_start(suspect.delivery):
                await self._handle([suspect])
        except Exception as error:
            self._p.steps.broken(suspect.delivery.held, error)
        finally:
            self._does_suspect_run = False

    async def _handle(self, everything: Sequence[Ready]) -> None:
        """Runs the handler on what may go on, and again on what its undone transaction leaves; the
        loop is taken until then."""
        steps, settlement = self._p.steps, self._p.settlement
        ready = [one for one in everything if steps.may_go_on(one.delivery.held)]
        for _ in range(ROUNDS):
            if not ready:
                return
            again = await self._run(ready)
            ready = [one for one in again if steps.may_go_on(one.delivery.held)]
        settlement.give_up(ready)

    async def _run(self, ready: Sequence[Ready]) -> Sequence[Ready]:
        tx = self._p.transaction()
        for one in ready:
            one.delivery.started_at = time.time()
            one.delivery.tx = tx
        parts = self._p.handlers.parts
        # A context is also the message as the handler sees it.
        messages = [Context(one.delivery, parts, one.value) for one in ready]
        listener = _Listener(self._p, ready, tx)
        self._p.handlers.start_batch(self._p.handler, messages, listener)
        return await listener.ended


class _Listener:
    """Told how the handler of one batch went; `ended` has what its handler has to do again."""

    def __init__(
        self, parts: BatchSlotParts, ready: Sequence[Ready], tx: LedgerTransaction | None
    ) -> None:
        self._p = parts
        self._ready = ready
        self._tx = tx
        self._retried: asyncio.Task[None] | None = None
        self.ended: asyncio.Future[Sequence[Ready]] = asyncio.get_running_loop().create_future()

    def on_end(self, value: Any, error: BaseException | None) -> None:
        count = len(self._ready)
        outcomes = outcomes_of(value, count) if error is None else [error] * count
        self._p.tasks.start(self._settle(outcomes))

    def on_deadline(self, timeout_ms: int) -> None:
        self._retried = self._p.tasks.start(self._p.settlement.deadline(self._ready, timeout_ms))

    def on_late_end(self, value: Any, error: BaseException | None) -> None:
        outcomes = outcomes_of(value, len(self._ready)) if error is None else None
        self._p.tasks.start(self._settle_late(outcomes))

    async def _settle(self, outcomes: Sequence[Any]) -> None:
        again: Sequence[Ready] = ()
        try:
            again = await self._p.settlement.settle(self._ready, outcomes, self._tx)
        finally:
            self._end(again)

    async def _settle_late(self, outcomes: Sequence[Any] | None) -> None:
        try:
            if self._retried is not None:
                await self._retried
            await self._p.settlement.settle_late(self._ready, outcomes, self._tx)
        finally:
            self._end(())

    def _end(self, again: Sequence[Ready]) -> None:
        # Given up already where the worker was told to leave at once.
        if not self.ended.done():
            self.ended.set_result(again)
