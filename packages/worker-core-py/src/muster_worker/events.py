"""What a worker tells, by event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .errors import text_of
from .log import Log
from .metrics import Outcome, Reason

Event = Literal[
    "joined",
    "left",
    "degraded",
    "recovered",
    "spec",
    "paused",
    "resumed",
    "settled",
    "stalled",
]
"""`joined`: it is a member now. `left`: in whatever way. `degraded` (with the error's text):
something it depends on does not answer, or the breaker has opened: it takes no messages.
`recovered`. `spec` (with the GroupSpec): it is there, or has changed. `paused`, `resumed`.
`settled` (with Settled): a delivery has ended. `stalled`: the pull had gone silent while messages
waited, and was made again."""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """How a delivery ended."""

    outcome: Outcome
    sequence: int
    event_id: str
    attempt: int
    reason: Reason | None = None
    """Of a dead letter."""


class Events:
    """Tells listeners; one that raises is logged and stops nothing."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._listeners: dict[str, list[Callable[..., Any]]] = {}

    def on(self, event: Event, listener: Callable[..., Any]) -> None:
        """Calls `listener` at each event, on the event loop."""
        self._listeners.setdefault(event, []).append(listener)

    def emit(self, event: Event, *args: Any) -> None:
        """Tells everybody who listens."""
        for listener in self._listeners.get(event, ()):
            try:
                listener(*args)
            except Exception as error:
                self._log.error("listener failed", code="listener_failed", error=text_of(error))

    @property
    def has_settled_listener(self) -> bool:
        """True when somebody wants to hear of every delivery."""
        return bool(self._listeners.get("settled"))
