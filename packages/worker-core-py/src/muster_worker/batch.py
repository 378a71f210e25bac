"""Handlers that work on several messages at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .context import Context

BatchHandler = Callable[[Sequence[Context], Context], Any]
"""Gets the messages of a batch, each with its `value` and all that a Context has, and the batch's
own context for `signal`, `log`, `nats` and `tx`.

It returns one outcome for each message, in their order: a result, or an exception
(`PermanentError`, `RetryableError`, `Snooze` or any other) for a message that failed. Returning
None means that all are done. What it raises is the outcome of all. A plain function runs in a
thread.

With ledger `postgres` all effects go through `ctx.tx`, one transaction for the batch: write effects
only for messages whose outcome is a result.
"""


def outcomes_of(returned: Any, count: int) -> Sequence[Any]:
    """The outcomes of a batch by message; a wrong number of them is the outcome of all."""
    if returned is None:
        return [None] * count
    if isinstance(returned, (list, tuple)) and len(returned) == count:
        return returned
    is_list = isinstance(returned, (list, tuple))
    what = f"{len(returned)} outcomes" if is_list else "no list of outcomes"
    return [ValueError(f"batch handler returned {what} for {count} messages")] * count


class BatchShape(NamedTuple):
    """How many messages a batch has at most and how many batches run at once."""

    size: int
    loops: int


def batch_shape(size: int, concurrency: int) -> BatchShape:
    """The shape by which `concurrency` bounds both."""
    effective = min(size, concurrency)
    return BatchShape(effective, max(1, concurrency // effective))
