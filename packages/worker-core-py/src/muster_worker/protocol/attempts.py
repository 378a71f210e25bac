"""The attempts record: the limit on attempts, and the history of a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..clock import iso_time
from .texts import header_text

MAX_HISTORY = 20
"""History entries a record keeps, the last ones."""

Record = dict[str, Any]
Entry = dict[str, Any]
Admission = Literal["run", "suspect", "exhausted", "crash_loop"]


def same_message(record: Mapping[str, Any] | None, store_time: str) -> bool:
    """Whether the record is of this message; another store time means a stream made again."""
    return record is not None and record["store_time"] == store_time


def admit(
    record: Mapping[str, Any] | None, *, delivered: int, store_time: str, max_attempts: int
) -> tuple[Admission, int]:
    """Whether a delivery may run, and the number of its attempt."""
    if record is None or not same_message(record, store_time):
        return ("suspect" if delivered > 1 else "run", 1)
    attempt = record["attempts"] + 1
    if record["attempts"] >= max_attempts:
        return ("crash_loop" if record["open"] else "exhausted", attempt)
    if delivered <= 1:
        return ("run", attempt)
    # Nothing on record of the delivery before: it may have killed its process.
    unknown = record["open"] or record["delivery"] != delivered - 1
    return ("suspect" if unknown else "run", attempt)


def empty_record(*, sequence: int, store_time: str, event_id: str) -> Record:
    """A record of a message with no attempts yet."""
    return {
        "v": 1,
        "sequence": sequence,
        "store_time": store_time,
        "event_id": event_id,
        "attempts": 0,
        "snoozes": 0,
        "delivery": 0,
        "open": False,
        "history": [],
    }


def started(record: Record, entry: Entry, delivered: int) -> Record:
    """The start note of a suspect: counted before the handler runs, for it may never report."""
    attempts = record["attempts"] + 1
    note = {**entry, "outcome": "started", "attempt": attempts}
    return {
        **record,
        "attempts": attempts,
        "open": True,
        "delivery": delivered,
        "history": _cut([*record["history"], note]),
    }


def failed(record: Record, entry: Entry, delivered: int) -> Record:
    """The record after an attempt that failed; one that was noted is not counted twice."""
    noted = _is_noted(record, entry, delivered)
    return {
        **record,
        "attempts": record["attempts"] + (0 if noted else 1),
        "open": False,
        "delivery": delivered,
        "history": _settled(record, entry, "failed", noted),
    }


def snoozed(record: Record, entry: Entry, delivered: int) -> Record:
    """The record after a snooze, which counts no attempt."""
    noted = _is_noted(record, entry, delivered)
    return {
        **record,
        "attempts": record["attempts"] - (1 if noted else 0),
        "snoozes": record["snoozes"] + 1,
        "open": False,
        "delivery": delivered,
        "history": _settled(record, entry, "snoozed", noted),
    }


def last_failure(record: Mapping[str, Any]) -> tuple[str, str]:
    """Error class and error for a dead letter of a message that may not run again."""
    for entry in reversed(record["history"]):
        if entry.get("error"):
            return entry.get("error_class") or "Error", entry["error"]
    return "NeverReported", "handler started and never reported back"


def _is_noted(record: Record, entry: Entry, delivered: int) -> bool:
    history = record["history"]
    return bool(
        record["open"]
        and record["delivery"] == delivered
        and history
        and history[-1]["outcome"] == "started"
        and history[-1]["member"] == entry["member"]
    )


def _settled(record: Record, entry: Entry, outcome: str, noted: bool) -> list[Entry]:
    before = record["history"][:-1] if noted else record["history"]
    ended = {
        "ended_at": iso_time(),
        **entry,
        "outcome": outcome,
        "attempt": record["attempts"] + (0 if noted else 1),
    }
    for name in ("error_class", "error"):
        if name in ended:
            ended[name] = header_text(ended[name])
    return _cut([*before, ended])


def _cut(history: list[Entry]) -> list[Entry]:
    return history[-MAX_HISTORY:]
