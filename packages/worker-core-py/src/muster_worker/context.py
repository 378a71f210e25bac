"""What a handler is told beside its message."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from nats.aio.client import Client

from .errors import MusterError
from .log import Log
from .signal import Signal

if TYPE_CHECKING:
    from .attempts import Attempts
    from .ledger.ledger import Transaction
    from .message import Message

T = TypeVar("T")


class Handled:
    """A message on its way to its handler."""

    __slots__ = ("attempt", "attempts", "message", "tx")

    message: Message
    attempt: int
    """The attempt the handler is in, 1-based."""
    attempts: Attempts | None
    """None until it was needed."""
    tx: Transaction | None


class ContextParts:
    """What all contexts of a worker share."""

    __slots__ = ("log", "loop", "nats")

    def __init__(self, nats: Client, log: Log) -> None:
        self.nats = nats
        self.log = log
        self.loop = asyncio.get_running_loop()

    def is_on_loop(self) -> bool:
        """Whether the caller is on the worker's event loop."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False


class Context:
    """The context of one start of the handler; its parts are made when they are asked for."""

    __slots__ = ("_delivery", "_is_aborted", "_log", "_parts", "_reason", "_signal", "value")

    def __init__(self, delivery: Handled, parts: ContextParts, value: Any = None) -> None:
        self._delivery = delivery
        self._parts = parts
        self._signal: Signal | None = None
        self._is_aborted = False
        self._reason = ""
        self._log: Log | None = None
        self.value = value
        """The parsed message."""

    @property
    def event_id(self) -> str:
        """The business identity: the same in every attempt, redelivery and replay. Make outside
        effects idempotent by it."""
        return self._delivery.message.event_id

    @property
    def attempt(self) -> int:
        """1 at the first time."""
        return self._delivery.attempt

    @property
    def history(self) -> Sequence[Mapping[str, Any]]:
        """Earlier attempts and snoozes, oldest first, the last 20 at most."""
        attempts = self._delivery.attempts
        record = attempts.record if attempts else None
        return tuple(record["history"]) if record else ()

    @property
    def subject(self) -> str:
        """The original subject, also in a replay."""
        return self._delivery.message.subject

    @property
    def headers(self) -> Mapping[str, str]:
        """Of a header given twice, the last value."""
        return self._delivery.message.headers

    @property
    def sequence(self) -> int:
        """In the stream; 0 in a core queue group, which has none."""
        return self._delivery.message.sequence

    @property
    def replay_number(self) -> int:
        """How often it was replayed from the dead letters."""
        return self._delivery.message.replay_number

    @property
    def nats(self) -> Client:
        """The member's connection, for requests of the handler's own."""
        return self._parts.nats

    @property
    def signal(self) -> Signal:
        """Set at the deadline (the group's `timeout_ms`) and when the process is forced to stop."""
        if self._signal is None:
            self._signal = Signal()
            if self._is_aborted:
                self._signal.abort(self._reason)
        return self._signal

    @property
    def log(self) -> Log:
        """Its lines carry the message's `seq`, `event_id` and `attempt`."""
        if self._log is None:
            self._log = self._parts.log.bind(
                seq=self.sequence, event_id=self.event_id, attempt=self.attempt
            )
        return self._log

    @property
    def tx(self) -> Transaction:
        """The transaction that ends with the ledger row: what it does and the row are both there,
        or neither is. Opens with its first query.

        Only with ledger `postgres`; elsewhere using it raises MusterError `no_transaction`.
        """
        if self._delivery.tx is None:
            raise MusterError(
                "no_transaction",
                "ctx.tx needs a group with ledger postgres: this group's ledger has none",
            )
        return self._delivery.tx

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """From a handler in a thread: runs a coroutine, such as `ctx.tx.query(…)`, on the worker's
        loop, and returns its result.

        Raises MusterError `not_in_a_thread` on the loop itself, which would wait for itself.
        """
        if self._parts.is_on_loop():
            work.close()
            raise MusterError("not_in_a_thread", "await it: ctx.run is for handlers in threads")
        return asyncio.run_coroutine_threadsafe(work, self._parts.loop).result()

    def abort(self, reason: str) -> None:
        """Sets the signal; one that was not asked for yet is set from the start."""
        self._is_aborted = True
        self._reason = reason
        if self._signal is not None:
            self._signal.abort(reason)
