"""The SQL of one group's rows."""

from __future__ import annotations

from collections.abc import Sequence

from .postgres_rows import NEW_ROW_COLUMNS, RowToWrite, columns_of_new, json_text
from .postgres_session import Statement

_KEY = "stream = $1 and grp = $2 and event_hash = $3"
_SELECT = (
    "select revision, status, event_id, body_sha256, sequence, store_time, sequences, more, "
    "result, reason, headers, member, language, "
    "to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as at "
    f"from muster_ledger where {_KEY}"
)
_INSERT_NEW = (
    f"insert into muster_ledger (stream, grp, {NEW_ROW_COLUMNS}) select $1, $2, r.* "
    "from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], "
    "$9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[]) as r "
    "on conflict (stream, grp, event_hash) do nothing returning event_hash"
)
_INSERT = (
    f"insert into muster_ledger (stream, grp, {NEW_ROW_COLUMNS}) "
    "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
)
_UPDATE = (
    "update muster_ledger set revision = revision + 1, status = $5, body_sha256 = $6, "
    "sequence = $7, store_time = $8, sequences = $9, more = $10, result = $11, reason = $12, "
    "headers = $13, member = $14, language = $15, at = $16 "
    f"where {_KEY} and revision = $4 and status = 'dead'"
)
_JOIN = (
    "update muster_ledger set revision = revision + 1, sequences = $5, more = $6 "
    f"where {_KEY} and revision = $4"
)


class Statements:
    """Names of streams and groups need no escape, but they are parameters all the same."""

    def __init__(self, stream: str, group: str) -> None:
        self._stream = stream
        self._group = group

    def select(self, row_hash: str) -> Statement:
        """Finds a row."""
        return Statement(_SELECT, (self._stream, self._group, row_hash), True)

    def insert_new(self, rows: Sequence[RowToWrite]) -> Statement:
        """Makes rows where there are none, and gives back the hashes of those it made. No hash may
        be given twice."""
        columns = [list(column) for column in zip(*map(columns_of_new, rows), strict=True)]
        return Statement(_INSERT_NEW, (self._stream, self._group, *columns), True)

    def insert(self, row: RowToWrite) -> Statement:
        """Makes a row, and fails where there is one."""
        return Statement(_INSERT, (self._stream, self._group, *columns_of_new(row)), True)

    def update(self, write: RowToWrite) -> Statement:
        """Writes over a dead row of that revision."""
        row = write.row
        values = (
            *(self._stream, self._group, write.hash, write.revision),
            *(row["status"], row["body_sha256"], row["sequence"], row["store_time"]),
            *(row["sequences"], row["more"], json_text(row, "result"), row.get("reason")),
            *(json_text(row, "headers"), row["member"], row["language"], row["at"]),
        )
        return Statement(_UPDATE, values, True)

    def join(self, write: RowToWrite) -> Statement:
        """Notes further sequences in a row of that revision."""
        row = write.row
        key = (self._stream, self._group, write.hash, write.revision)
        return Statement(_JOIN, (*key, row["sequences"], row["more"]), True)

    def try_insert(self, member: str) -> Statement:
        """Shows whether a row could be made, and makes none."""
        # Names hold no quotes; without values it is one simple query of three statements.
        return Statement(
            "begin; insert into muster_ledger (stream, grp, event_hash, status, event_id, "
            "body_sha256, sequence, store_time, member, language, at) "
            f"values ('{self._stream}', '{self._group}', 'reachable {member}', 'done', '', '', 0, "
            "'', '', '', now()) on conflict do nothing; rollback"
        )
