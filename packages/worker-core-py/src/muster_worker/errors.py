"""The errors a handler raises, and the ones the core itself branches on."""

from __future__ import annotations

import math
from typing import TypeGuard


class MusterError(Exception):
    """An error of Muster with a stable code; branch on `code`, never on the text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PermanentError(Exception):
    """Raised by a handler: no retry can help, the message becomes a dead letter `permanent`."""


class RetryableError(Exception):
    """Raised by a handler: try again later.

    `delay_ms`, not negative, replaces the group's backoff for this one retry.
    """

    def __init__(self, message: str = "", *, delay_ms: float | None = None) -> None:
        super().__init__(message)
        self.delay_ms = delay_ms if _is_delay(delay_ms) else None


class Snooze(Exception):
    """Raised by a handler: not now; come back after `delay_ms` without counting an attempt.

    The group's `max_snooze_ms` bounds it.
    """

    def __init__(self, delay_ms: float) -> None:
        super().__init__(f"snoozed for {delay_ms} ms")
        self.delay_ms = delay_ms if _is_delay(delay_ms) else 0


class Aborted(Exception):
    """Raised by `Signal.guard` when the deadline passed or the member is being stopped."""


class Unreachable(MusterError):
    """A server, bucket or stream gave no usable answer; nothing is known, nothing is counted."""

    def __init__(self, message: str) -> None:
        super().__init__("unreachable", message)


class ConfigError(MusterError):
    """One or more environment variables are bad; `problems` has a line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("bad_config", "\n".join(problems))
        self.problems = problems


def describe_error(error: BaseException) -> tuple[str, str]:
    """The class name and the text of whatever a handler raised."""
    name = type(error).__name__ or "Error"
    return name, text_of(error) or name


def text_of(error: BaseException) -> str:
    """An error's text; of one that cannot even say that, none."""
    try:
        return str(error)
    except Exception:
        return ""


def _is_delay(ms: float | None) -> TypeGuard[float]:
    return (
        isinstance(ms, (int, float))
        and not isinstance(ms, bool)
        and math.isfinite(ms)
        and 0 <= ms < 1e15
    )
