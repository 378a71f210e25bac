"""Tells what became of a delivery: counts, the log, whoever listens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .attempts import AttemptsStore
from .context import Handled
from .dead_letter import DeadLetters
from .errors import Unreachable
from .events import Events, Settled
from .hold import Held, Hold
from .ledger.ledger import UNSEEN, Ledger, LookUp
from .log import Log, is_debug
from .message import Message
from .metrics import Outcome, Reason
from .protocol.spec import GroupSpec
from .stats import Stats

if TYPE_CHECKING:
    from .ledger.ledger import LedgerTransaction

Step = Literal["received", "row_done", "row_dead", "dead_lettered", "attempt_recorded"]
"""The points of a delivery a test may want to stop at."""

OnStep = Callable[[Step, Message], None]


class Delivery(Handled):
    """What is known of a delivery on its way."""

    __slots__ = ("contract", "held", "look_up", "started_at")

    tx: LedgerTransaction | None

    def __init__(self, held: Held, contract: str) -> None:
        self.message = held.message
        self.held = held
        self.look_up: LookUp = UNSEEN
        self.attempts = None
        self.contract = contract
        self.attempt = 1
        self.started_at = 0.0
        """Wall clock at the handler's start, in seconds."""
        self.tx = None


@dataclass(frozen=True, kw_only=True)
class SettleParts:
    """What settling works with."""

    hold: Hold
    ledger: Ledger
    attempts: AttemptsStore
    dead_letters: DeadLetters
    spec: Callable[[], GroupSpec]
    ends: Ends
    random: Callable[[], float]
    """Uniform in [0, 1), for the jitter."""


class Ends:
    """Where every delivery ends."""

    def __init__(
        self,
        *,
        stats: Stats,
        log: Log,
        events: Events,
        on_attempt: Callable[[bool], None],
        on_step: OnStep | None,
    ) -> None:
        """`on_attempt`: an attempt of a handler has ended; a permanent failure is none of a
        dependency."""
        self._stats = stats
        self._log = log
        self._events = events
        self._on_attempt = on_attempt
        self._on_step = on_step
        self._is_debug = is_debug(log)

    def step(self, step: Step, message: Message) -> None:
        """The delivery passes a step, for tests."""
        if self._on_step is not None:
            self._on_step(step, message)

    def end(
        self,
        message: Message,
        outcome: Outcome,
        *,
        attempt: int = 0,
        held: Held | None = None,
        reason: Reason | None = None,
        error: str | None = None,
        delay_ms: int | None = None,
    ) -> None:
        """The delivery has ended; `attempt` 0: no handler was started."""
        self._stats.count(outcome, reason)
        if error is not None:
            self._stats.last_error = error
        if held is not None:
            self._stats.settled(time.monotonic() - held.received_at)
        if attempt > 0:
            if outcome == "retry" or reason == "exhausted":
                self._on_attempt(True)
            elif outcome == "done" or reason == "permanent":
                self._on_attempt(False)
        if self._events.has_settled_listener:
            settled = Settled(
                outcome=outcome,
                sequence=message.sequence,
                event_id=message.event_id,
                attempt=attempt,
                reason=reason,
            )
            self._events.emit("settled", settled)
        if outcome == "dead" or self._is_debug:
            fields: dict[str, Any] = {"reason": reason, "error": error, "delay_ms": delay_ms}
            told = {name: value for name, value in fields.items() if value is not None}
            write = self._log.warning if outcome == "dead" else self._log.debug
            write(
                "dead letter" if outcome == "dead" else "settled",
                seq=message.sequence,
                event_id=message.event_id,
                delivery=message.delivered,
                attempt=attempt,
                outcome=outcome,
                **told,
            )

    def done(self, delivery: Delivery) -> None:
        """As `end`, of the common delivery."""
        if self._is_debug or self._events.has_settled_listener:
            self.end_delivery(delivery, "done")
            return
        self._stats.count("done")
        self._stats.settled(time.monotonic() - delivery.held.received_at)
        self._on_attempt(False)

    def end_delivery(
        self,
        delivery: Delivery,
        outcome: Outcome,
        *,
        reason: Reason | None = None,
        error: str | None = None,
        delay_ms: int | None = None,
    ) -> None:
        """As `end`, of a delivery that is on its way."""
        self.end(
            delivery.message,
            outcome,
            attempt=delivery.attempt,
            held=delivery.held,
            reason=reason,
            error=error,
            delay_ms=delay_ms,
        )


def changing(delivery: Delivery) -> Unreachable:
    """Two writers keep overtaking each other: given back, and tried again later."""
    return Unreachable(f"event {delivery.message.event_id}: its row or record keeps changing")
