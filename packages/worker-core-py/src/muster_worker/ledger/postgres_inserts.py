"""New rows of messages that end together, written in one statement: one by one each would wait for
a commit of its own. While two statements are under way the next rows gather."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from ..turn import Turn
from .postgres_errors import is_of_one_row
from .postgres_rows import RowToWrite

Insert = Callable[[Sequence[RowToWrite]], Awaitable[set[str]]]
"""Makes the rows that are not there yet; the hashes of those it made."""

_MOST_ROWS = 100
_MOST_UNDER_WAY = 2
_MOST_FAILED_APART = 2


class _Entry(NamedTuple):
    row: RowToWrite
    is_made: asyncio.Future[bool]

    def fail(self, error: Exception) -> None:
        if not self.is_made.done():
            self.is_made.set_exception(error)


class Inserts:
    """Groups rows."""

    def __init__(self, insert: Insert) -> None:
        self._insert = insert
        self._turn = Turn()
        # Hashes under way: two copies of one event never meet in a statement, the second finds the
        # first's row.
        self._hashes: set[str] = set()
        self._waiting: list[_Entry] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def add(self, row: RowToWrite) -> bool:
        """True when the row was made, False when there is one. Raises what the statement does."""
        entry = _Entry(row, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._turn.at_end(self._pump)
        return await entry.is_made

    def _pump(self) -> None:
        while len(self._under_way) < _MOST_UNDER_WAY:
            entries = self._take()
            if not entries:
                return
            task = asyncio.get_running_loop().create_task(self._write(entries))
            self._under_way.add(task)
            task.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._pump()

    def _take(self) -> list[_Entry]:
        taken: list[_Entry] = []
        left: list[_Entry] = []
        for entry in self._waiting:
            if len(taken) == _MOST_ROWS or entry.row.hash in self._hashes:
                left.append(entry)
            else:
                self._hashes.add(entry.row.hash)
                taken.append(entry)
        self._waiting = left
        return taken

    async def _write(self, entries: Sequence[_Entry]) -> None:
        try:
            await self._settle(entries)
        except Exception as error:
            await self._write_apart(entries, error)
        finally:
            self._hashes.difference_update(entry.row.hash for entry in entries)

    async def _settle(self, entries: Sequence[_Entry]) -> None:
        made = await self._insert([entry.row for entry in entries])
        for entry in entries:
            if not entry.is_made.done():
                entry.is_made.set_result(entry.row.hash in made)

    async def _write_apart(self, entries: Sequence[_Entry], error: Exception) -> None:
        """One row may have failed them all, with a lock that somebody holds on it; two, and it is
        the table."""
        is_worth_it = len(entries) > 1 and is_of_one_row(error)
        failed = 0 if is_worth_it else _MOST_FAILED_APART
        for entry in entries:
            if failed == _MOST_FAILED_APART:
                entry.fail(error)
                continue
            try:
                await self._settle([entry])
            except Exception as own:
                error = own
                failed += 1
                entry.fail(own)
