"""The ledger in its bucket: rows are made by create, and changed by compare and set."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from ..config import Config
from ..errors import Unreachable
from ..kv import Kv
from ..message import Message
from ..protocol.keys import LEDGER, ledger_key
from ..protocol.row import Row, decide_row, knows, with_sequence
from ..protocol.schemas import is_document
from ..protocol.spec import LedgerKind
from .ledger import UNSEEN, LedgerTransaction, LookUp, RowWrite, require_newer, row_of

JOIN_TRIES = 5


class KvLedger:
    """The rows of one group in MUSTER_LEDGER."""

    kind: LedgerKind = "kv"
    looks_up_first = True

    def __init__(self, kv: Kv, config: Config) -> None:
        self._kv = kv
        self._config = config

    async def look_up(self, message: Message) -> LookUp:
        """The row of the message's event and what follows from it."""
        entry = await self._kv.get(LEDGER, self._key(message.event_id))
        if entry.value is None:
            return LookUp("run", None, entry.revision) if entry.revision else UNSEEN
        row = _read_row(entry.value, message.event_id)
        return LookUp(decide_row(row, **message.identity), row, entry.revision)

    async def look_up_again(self, message: Message, after: LookUp) -> LookUp:
        """After a failed compare: a replica that is behind still shows what was there before."""
        return require_newer(message, await self.look_up(message), after)

    async def write(self, write: RowWrite, tx: LedgerTransaction | None = None) -> bool:
        """Writes the row by compare and set; False when it has changed."""
        value = _encode(row_of(write, self._config.member))
        key = self._key(write.message.event_id)
        return await self._kv.put(LEDGER, key, value, write.look_up.revision) is not None

    async def write_all(
        self, writes: Sequence[RowWrite], tx: LedgerTransaction | None = None
    ) -> list[bool]:
        """Each row by itself."""
        return list(await asyncio.gather(*(self.write(write) for write in writes)))

    async def join(self, message: Message, look_up: LookUp) -> LookUp:
        """Adds the sequence of a repeat or a stale message to the row: the account finds it.

        Where the row has changed it is decided anew; gives the last decision.
        """
        for _ in range(JOIN_TRIES):
            row = look_up.row
            if row is None or look_up.decision not in ("repeat", "stale"):
                return look_up
            if knows(row, sequence=message.sequence, store_time=message.store_time):
                return look_up
            joined = with_sequence(row, message.sequence)
            key = self._key(message.event_id)
            revision = await self._kv.put(LEDGER, key, _encode(joined), look_up.revision)
            if revision is not None:
                return LookUp(look_up.decision, joined, revision)
            look_up = await self.look_up_again(message, look_up)
        raise Unreachable(f"ledger row of {message.event_id} keeps changing")

    def transaction(self) -> None:
        """A bucket has none: an effect outside of the row cannot be committed with it."""
        return

    async def is_reachable(self) -> bool:
        """Whether the bucket answers."""
        try:
            await self._kv.get(LEDGER, self._key("muster.reachable"))
        except Unreachable:
            return False
        return True

    async def close(self) -> None:
        """The connection is the worker's."""

    def _key(self, event_id: str) -> str:
        return ledger_key(self._config.stream, self._config.group, event_id)


def _encode(row: Row) -> bytes:
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def _read_row(value: bytes, event_id: str) -> Row:
    try:
        row: Row = json.loads(value)
    except ValueError:
        row = {}
    if not is_document("ledger-row", row):
        # A row we cannot read must not be overwritten: better to stop than to do an order twice.
        raise Unreachable(f"ledger row of {event_id} cannot be read")
    return row
