"""What every ledger does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ..clock import iso_time
from ..config import LANGUAGE
from ..errors import Unreachable
from ..message import Message
from ..protocol.row import Decision, Row, over
from ..protocol.spec import LedgerKind


class LookUp(NamedTuple):
    """The row found for a message and what follows from it."""

    decision: Decision
    row: Row | None
    revision: int
    """What a write has to compare with; 0: there must be no row."""


UNSEEN = LookUp("run", None, 0)
"""What a ledger knows before it was asked: nothing stands in the way."""


@dataclass(frozen=True, kw_only=True)
class RowWrite:
    """A row to write: for which message, compared with what, and what it says."""

    message: Message
    look_up: LookUp
    content: dict[str, Any]
    """`status` with `result`, or with `reason` and `headers`."""


class Transaction(Protocol):
    """A database transaction that opens with its first query and ends with the row: either both
    are there or none."""

    async def query(self, text: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Runs one statement with `$1`-style parameters and returns its rows.

        Raises what the database says; an outage raises Unreachable, which counts no attempt.
        """


class LedgerTransaction(Transaction, Protocol):
    """A transaction as the core holds it."""

    @property
    def is_open(self) -> bool:
        """True once a query has opened it."""

    async def rollback(self) -> None:
        """Undoes what was done in it; nothing where it never opened. Idempotent, never raises."""


class Ledger(Protocol):
    """Methods raise Unreachable when the ledger does not answer, is full, read-only or locked for
    too long."""

    kind: LedgerKind
    looks_up_first: bool
    """Whether a first delivery has to be looked up too; otherwise the write finds what is there."""

    async def look_up(self, message: Message) -> LookUp:
        """The row of the message's event and what follows from it."""

    async def look_up_again(self, message: Message, after: LookUp) -> LookUp:
        """Looks up after a write that found another row. What is not newer than what was compared
        with is Unreachable."""

    async def write(self, write: RowWrite, tx: LedgerTransaction | None = None) -> bool:
        """Writes the row where nothing has changed since the look-up, and commits `tx` with it.

        False when something has changed: then `tx` is rolled back.
        """

    async def write_all(
        self, writes: Sequence[RowWrite], tx: LedgerTransaction | None = None
    ) -> list[bool]:
        """As `write` for many rows.

        Where the ledger has transactions it is one: all rows are written, or none and the answers
        say which stood in the way. Elsewhere each row is written by itself.
        """

    async def join(self, message: Message, look_up: LookUp) -> LookUp:
        """Notes in the row that another copy of its message was seen."""

    def transaction(self) -> LedgerTransaction | None:
        """A transaction for handlers; None where the ledger has none."""

    async def is_reachable(self) -> bool:
        """True when the ledger takes rows."""

    async def close(self) -> None:
        """Ends its connections."""


def row_of(write: RowWrite, member: str) -> Row:
    """The row that a write asks for, over the one it was compared with."""
    message = write.message
    row = {
        "v": 1,
        "event_id": message.event_id,
        **message.identity,
        "sequences": [],
        "more": 0,
        **write.content,
        "member": member,
        "language": LANGUAGE,
        "at": iso_time(),
    }
    return over(row, write.look_up.row)


def require_newer(message: Message, found: LookUp, after: LookUp) -> LookUp:
    """What was found after a failed write; Unreachable where a replica is behind."""
    if found.revision <= after.revision:
        raise Unreachable(
            f"ledger row of {message.event_id}: the answer is older than the write that failed"
        )
    return found
