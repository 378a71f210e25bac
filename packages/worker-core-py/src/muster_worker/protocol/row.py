"""The ledger row: what it says of a message, and how a new one is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

MAX_SEQUENCES = 32
"""Sequences a row keeps; further ones are only counted."""

Row = dict[str, Any]
Decision = Literal["run", "repeat", "conflict", "finish", "stale"]


def decide_row(
    row: Mapping[str, Any] | None, *, body_sha256: str, sequence: int, store_time: str
) -> Decision:
    """What the row of its event says of the message."""
    if row is None:
        return "run"
    same_body = row["body_sha256"] == body_sha256
    if row["status"] == "done":
        return "repeat" if same_body else "conflict"
    # Store times order messages also where a stream was made again and counts from 1 once more.
    at_row, at_message = (int(row["store_time"]), row["sequence"]), (int(store_time), sequence)
    if at_row == at_message:
        return "finish"
    if at_row < at_message:
        return "run"
    return "stale" if same_body else "conflict"


def knows(row: Mapping[str, Any], *, sequence: int, store_time: str) -> bool:
    """Whether the row already counts this message among its own.

    Else it joins the row before it is answered: a repeat the done row before its ack, a stale
    message the dead row before its term. Nothing else would tell what became of its sequence.
    """
    own = row["sequence"] == sequence and row["store_time"] == store_time
    return own or sequence in row["sequences"]


def with_sequence(row: Mapping[str, Any], sequence: int) -> Row:
    """The row, done or dead, with one more sequence, or one more counted."""
    if len(row["sequences"]) < MAX_SEQUENCES:
        return {**row, "sequences": [*row["sequences"], sequence]}
    return {**row, "more": row["more"] + 1}


def over(new: Row, earlier: Mapping[str, Any] | None) -> Row:
    """`new` with the sequences of the earlier row it overwrites, and that row's own."""
    if earlier is None:
        return new
    kept = {**new, "sequences": list(earlier["sequences"]), "more": earlier["more"]}
    return with_sequence(kept, earlier["sequence"])
