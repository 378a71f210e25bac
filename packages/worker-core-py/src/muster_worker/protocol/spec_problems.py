"""The rules of a spec that bind its fields to each other, beyond its schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# What is below the root of Muster's own subjects: `*.created` does not reach it, `*.>` does.
_OURS = "muster.*.>"


def spec_problems(spec: Mapping[str, Any]) -> list[str]:
    """What is wrong with a spec that passed its schema and has its defaults.

    One line each, beginning with the field to change. Empty: the spec can be used.
    """
    return [*_stream_problems(spec), *_mode_problems(spec), *_subject_problems(spec["subjects"])]


def _stream_problems(spec: Mapping[str, Any]) -> list[str]:
    stream, mode = spec["stream"], spec["delivery"]["mode"]
    if stream == "core" and mode != "queue":
        return [f"stream: core has no messages to keep, mode {mode} needs a stream"]
    if stream != "core" and mode == "queue":
        return [f"stream: mode queue has none, write core instead of {stream}"]
    return []


def _mode_problems(spec: Mapping[str, Any]) -> list[str]:
    delivery, ledger, most = spec["delivery"], spec["ledger"], spec["max_ack_pending"]
    problems: list[str] = []
    if delivery["mode"] == "queue" and ledger != "none":
        problems.append(
            f"ledger: mode queue has no identity for a row, write none instead of {ledger}"
        )
    if delivery["mode"] == "queue" and spec.get("breaker") is not None:
        problems.append(
            "breaker: in mode queue messages pass unseen while it is open, leave it out"
        )
    if delivery["mode"] == "batch" and min(delivery["size"], spec["concurrency"]) > most:
        size = delivery["size"]
        problems.append(f"delivery: a batch of {size} is never full with max_ack_pending {most}")
    return problems


def _subject_problems(subjects: Sequence[str]) -> list[str]:
    # The server refuses a consumer whose filters overlap; two queue subscriptions get a message
    # twice.
    problems: list[str] = []
    for at, subject in enumerate(subjects):
        if subject.split(".")[0] == "muster" or _overlap(subject, _OURS):
            problems.append(f"subjects: {subject} takes what belongs to Muster")
        problems.extend(
            f"subjects: {other} and {subject} overlap"
            for other in subjects[:at]
            if _overlap(other, subject)
        )
    return problems


def _overlap(a: str, b: str) -> bool:
    """Whether some subject matches both filters."""
    left, right = a.split("."), b.split(".")
    for one, other in zip(left, right, strict=False):
        if ">" in (one, other):
            return True
        if one != other and "*" not in (one, other):
            return False
    return len(left) == len(right)
