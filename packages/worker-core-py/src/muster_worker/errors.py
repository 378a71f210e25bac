"""The errors a handler raises, and the ones the core itself branches on."""

from __future__ import annotations


class MusterError(Exception):
    """An error of Muster with a stable code; branch on `code`, never on the text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PermanentError(Exception):
    """Raised by a handler: no retry can help, the message becomes a dead letter."""


class RetryableError(Exception):
    """Raised by a handler: try again later.

    `delay_ms` replaces the group's backoff for this one retry.
    """

    def __init__(self, message: str = "", *, delay_ms: int | None = None) -> None:
        super().__init__(message)
        self.delay_ms = None if delay_ms is None else _delay(delay_ms)


class Snooze(Exception):
    """Raised by a handler: not now; come back after `delay_ms` without counting an attempt."""

    def __init__(self, delay_ms: int) -> None:
        super().__init__(f"snoozed for {delay_ms} ms")
        self.delay_ms = _delay(delay_ms)


class InvalidResult(Exception):
    """What a handler returned is not JSON, or too large for its ledger row."""


class Aborted(Exception):
    """Raised by `Signal.guard` when the deadline passed or the member is being stopped."""


class Unreachable(MusterError):
    """A server, bucket or stream gave no usable answer; nothing is known, nothing is counted."""

    def __init__(self, message: str) -> None:
        super().__init__("unreachable", message)


class Conflict(MusterError):
    """A compare and set lost: the key has another revision."""

    def __init__(self, key: str) -> None:
        super().__init__("conflict", f"{key} has another revision")


class IdTaken(MusterError):
    """Another live member of the group has this id."""

    def __init__(self, member: str) -> None:
        super().__init__("id_taken", f"member id {member} is in use by a live member of the group")


class ConfigError(MusterError):
    """One or more environment variables are bad; `problems` has a line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("bad_config", "\n".join(problems))
        self.problems = problems


def _delay(delay_ms: float) -> int:
    """Whole milliseconds of what a handler asked for; nonsense counts as none."""
    return round(delay_ms) if 0 < delay_ms < 1e15 else 0
