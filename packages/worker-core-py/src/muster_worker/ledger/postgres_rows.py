"""Rows as they stand in the columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import Unreachable
from ..protocol.keys import sha256_hex
from ..protocol.row import Row
from ..protocol.schemas import is_document
from .ledger import RowWrite, row_of

NEW_ROW_COLUMNS = (
    "event_hash, status, event_id, body_sha256, sequence, store_time, result, reason, headers, "
    "member, language, at"
)


class RowToWrite(NamedTuple):
    """A row on its way into the table: under which key, and over which revision."""

    hash: str
    row: Row
    revision: int
    """0: there must be no row."""


def event_hash(event_id: str) -> str:
    """The key of an event's row."""
    return sha256_hex(event_id.encode("utf-8", "replace"))


def row_to_write(write: RowWrite, member: str) -> RowToWrite:
    """The row that a write asks for."""
    row = row_of(write, member)
    return RowToWrite(event_hash(write.message.event_id), row, write.look_up.revision)


def read_row(columns: Mapping[str, Any]) -> Row:
    """The document that stands in the columns.

    Raises Unreachable where it is none: it must not be overwritten.
    """
    row: Row = {"v": 1, **columns}
    del row["revision"]
    try:
        row["event_id"] = json.loads(f'"{columns["event_id"]}"')
        for name in ("result", "headers"):
            if columns[name] is not None:
                row[name] = json.loads(columns[name])
        for name in ("result", "reason", "headers"):
            if columns[name] is None:
                del row[name]
    except ValueError:
        row = {}
    if not is_document("ledger-row", row):
        raise Unreachable(f"ledger row of {columns['event_id']} cannot be read")
    return row


def columns_of_new(write: RowToWrite) -> Sequence[Any]:
    """The columns of a row that is new, in the order of NEW_ROW_COLUMNS; it has no further
    sequences yet."""
    row = write.row
    return (
        write.hash,
        row["status"],
        json.dumps(row["event_id"])[1:-1],
        row["body_sha256"],
        row["sequence"],
        row["store_time"],
        json_text(row, "result"),
        row.get("reason"),
        json_text(row, "headers"),
        row["member"],
        row["language"],
        row["at"],
    )


def json_text(row: Row, name: str) -> str | None:
    """A field as it stands in its column: JSON that any text column holds, in any encoding of the
    database, without NUL and without non-ASCII."""
    return json.dumps(row[name], separators=(",", ":")) if name in row else None
