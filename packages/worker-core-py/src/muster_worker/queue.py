"""A core NATS queue group: at most once.

The server forgets a message when it has handed it out, so nothing can be given back: what fails is
dead-lettered at once, what a killed process had in hand is lost.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .attempts import AttemptsStore
from .connection import Connection
from .context import Handled
from .contracts import Contracts
from .dead_letter import Failure
from .delivery import judged
from .ends import Ends
from .errors import PermanentError, Unreachable, describe_error
from .handle import AsyncHandler, Handlers
from .intake import Oldest
from .listener import Listener
from .message import Message, core_message
from .metrics import Reason
from .msg import Msg
from .protocol.spec import GroupSpec
from .queue_letters import QueueLetters
from .result import encode_result
from .tasks import Tasks


@dataclass(frozen=True, kw_only=True)
class QueueParts:
    """What a core queue group works with."""

    connection: Connection
    group: str
    spec: Callable[[], GroupSpec]
    contracts: Contracts
    handlers: Handlers
    handler: AsyncHandler
    attempts: AttemptsStore
    letters: QueueLetters
    ends: Ends
    tasks: Tasks
    may_take: Callable[[], bool]


class _InHand(Handled):
    """A message on its way: it has no delivery count, no sequence and no second chance."""

    __slots__ = ("contract", "started_at")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.attempt = 1
        self.attempts = None
        self.tx = None
        self.contract = ""
        self.started_at = time.time()


class Queue:
    """Source and intake in one."""

    def __init__(self, parts: QueueParts) -> None:
        self._p = parts
        self._waiting: deque[_InHand] = deque()
        self._running: dict[_InHand, None] = {}
        self._subscriptions: list[Listener] = []
        self._is_closed = False
        # Said once for each time that there is no room.
        self._was_full = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def count(self) -> int:
        """Messages in hand, started or not."""
        return len(self._waiting) + len(self._running)

    @property
    def has_free_slot(self) -> bool:
        """Nothing is asked for here."""
        return True

    @property
    def is_full(self) -> bool:
        """True when one more message would be lost."""
        return self.count >= self._p.spec().max_ack_pending

    @property
    def suspect_count(self) -> int:
        """There are no suspects: nothing comes twice."""
        return 0

    @property
    def oldest(self) -> Oldest | None:
        """There is no sequence to tell."""
        return None

    def wake(self) -> None:
        """Subscribes or unsubscribes: while paused messages pass unseen."""
        may_take = not self._is_closed and self._p.may_take()
        if may_take and not self._subscriptions:
            self._subscriptions = [
                self._p.connection.listen(subject, self._receive, queue=self._p.group)
                for subject in self._p.spec().subjects
            ]
        elif not may_take and self._subscriptions:
            self._p.tasks.start(self._unsubscribe())

    def take_msg(self, msg: Msg, subject: str | None = None) -> None:
        """Takes a core message, also one that is replayed; without room for it it is lost."""
        message = core_message(msg, self._p.group, subject)
        is_full = self.is_full
        if is_full:
            self._p.letters.lost(message, "no room", is_said=not self._was_full)
        else:
            self.take(message)
        self._was_full = is_full

    def take(self, message: Message) -> None:
        """Takes a message that came."""
        self._p.ends.step("received", message)
        self._idle.clear()
        self._waiting.append(_InHand(message))
        self.pump()

    def pump(self) -> None:
        """Starts what there is room for."""
        most = self._p.spec().concurrency
        while self._waiting and len(self._running) < most:
            in_hand = self._waiting.popleft()
            self._running[in_hand] = None
            self._p.tasks.start(self._run(in_hand))

    def stop(self) -> None:
        """What was received cannot be given back, and is handled."""
        self._is_closed = True

    async def drain(self) -> None:
        """Returns when all that was received is handled."""
        self.stop()
        await self._unsubscribe()
        await self._idle.wait()
        await self._p.letters.drain()

    def _receive(self, msg: Msg) -> None:
        self.take_msg(msg)

    async def _run(self, in_hand: _InHand) -> None:
        try:
            failure = await self._prepare(in_hand)
        except Exception as error:
            failure = Failure("exhausted", *describe_error(error))
        if failure is not None:
            self.fail(in_hand, failure)
            self.end(in_hand)

    async def _prepare(self, in_hand: _InHand) -> Failure | None:
        """Starts the handler; or why it cannot be."""
        p, message = self._p, in_hand.message
        accepted = p.spec().contracts
        name = in_hand.contract = message.contract(accepted[0])
        if name not in accepted:
            return Failure("unknown_contract", "UnknownContract", f"unknown contract {name}")
        try:
            judge = p.contracts.loaded(name) or await p.contracts.verdict(name)
        except Unreachable:
            judge = None
        if judge is None:
            error = f"contract {name} is not in the bucket"
            return Failure("unknown_contract", "UnknownContract", error)
        verdict = await judged(judge, message.body)
        if verdict.code is not None:
            return Failure("invalid", "InvalidMessage", verdict.error)
        in_hand.started_at = time.time()
        p.handlers.start(p.handler, verdict.value, in_hand, _Listener(self, p, in_hand))
        return None

    def fail(self, in_hand: _InHand, failure: Failure) -> None:
        """Sets the message aside."""
        p, message = self._p, in_hand.message
        # What never reached its handler has made no attempt.
        has_started = failure.reason in ("permanent", "exhausted")
        record = None
        if has_started:
            record = p.attempts.with_failure(
                message, None, in_hand.started_at, failure.error_class, failure.error
            )
        p.letters.send(message, failure, in_hand.contract, record)
        p.ends.end(
            message,
            "dead",
            attempt=in_hand.attempt,
            reason=failure.reason,
            error=failure.error,
        )

    def end(self, in_hand: _InHand) -> None:
        """The message is not in hand any more."""
        self._running.pop(in_hand, None)
        self.pump()
        if self.count == 0:
            self._idle.set()

    async def _unsubscribe(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        await asyncio.gather(*(subscription.drain() for subscription in subscriptions))


class _Listener:
    """Told how the handler of one message went."""

    __slots__ = ("_in_hand", "_parts", "_queue")

    def __init__(self, queue: Queue, parts: QueueParts, in_hand: _InHand) -> None:
        self._queue = queue
        self._parts = parts
        self._in_hand = in_hand

    def on_end(self, value: Any, error: BaseException | None) -> None:
        if error is not None:
            reason: Reason = "permanent" if isinstance(error, PermanentError) else "exhausted"
            self._queue.fail(self._in_hand, Failure(reason, *describe_error(error)))
        elif (wrong := encode_result(value).error) is not None:
            self._queue.fail(self._in_hand, Failure("permanent", "InvalidResult", wrong))
        else:
            self._parts.ends.end(self._in_hand.message, "done", attempt=1)
        self._queue.end(self._in_hand)

    def on_deadline(self, timeout_ms: int) -> None:
        error = f"handler exceeded {timeout_ms} ms"
        self._queue.fail(self._in_hand, Failure("exhausted", "DeadlineExceeded", error))

    def on_late_end(self, value: Any, error: BaseException | None) -> None:
        # Its dead letter is there already; the slot was taken until now.
        self._queue.end(self._in_hand)
