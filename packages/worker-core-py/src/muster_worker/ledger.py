"""The ledger in its bucket: looked up before the work, written by compare and set after it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .errors import Conflict, Unreachable
from .keys import LEDGER, ledger_key
from .kv import kv_get, kv_put
from .message import Message
from .row import Decision, Row, decide_row, knows, over, with_sequence
from .wire import Wire

JOIN_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the ledger says of a message, and the revision to write over."""

    row: Row | None
    revision: int
    decision: Decision


class Ledger:
    """The rows of one group."""

    def __init__(self, wire: Wire, stream: str, group: str) -> None:
        self._wire = wire
        self._stream = stream
        self._group = group

    async def look_up(self, message: Message) -> Found:
        """The row of the message's event and what follows from it."""
        entry = await kv_get(self._wire, LEDGER, self._key(message.event_id))
        if entry is None or entry.value is None:
            return Found(row=None, revision=entry.revision if entry else 0, decision="run")
        try:
            row = json.loads(entry.value)
            decision = decide_row(row, **message.identity)
        except (ValueError, KeyError, TypeError) as error:
            # A row that cannot be read is not "unseen": the work may be done.
            raise Unreachable(f"ledger row of {message.event_id} is not readable") from error
        return Found(row=row, revision=entry.revision, decision=decision)

    async def write(self, message: Message, row: Row, found: Found) -> Found | None:
        """Writes `row` over what was found. None: it is there. Else what is there instead."""
        value = _json(over(row, found.row))
        try:
            await kv_put(self._wire, LEDGER, self._key(message.event_id), value, found.revision)
            return None
        except Conflict:
            return await self._look_up_again(message, found)

    async def _look_up_again(self, message: Message, before: Found) -> Found:
        """After a failed compare: a replica that is behind still shows what was there before."""
        now = await self.look_up(message)
        if now.revision <= before.revision:
            raise Unreachable(f"ledger row of {message.event_id} changed and is not shown yet")
        return now

    async def join(self, message: Message, found: Found) -> Found:
        """Adds the sequence of a repeat or a stale message to the row: the account finds it.

        Where the row has changed it is decided anew; gives the last decision.
        """
        for _ in range(JOIN_TRIES):
            row = found.row
            if row is None or found.decision not in ("repeat", "stale"):
                return found
            if knows(row, sequence=message.ack.seq, store_time=message.ack.store_time):
                return found
            value = _json(with_sequence(row, message.ack.seq))
            key = self._key(message.event_id)
            try:
                await kv_put(self._wire, LEDGER, key, value, found.revision)
                return found
            except Conflict:
                found = await self._look_up_again(message, found)
        raise Unreachable(f"ledger row of {message.event_id} keeps changing")

    async def probe(self) -> None:
        """Raises Unreachable while the ledger does not answer."""
        await kv_get(self._wire, LEDGER, self._key("probe"))

    def _key(self, event_id: str) -> str:
        return ledger_key(self._stream, self._group, event_id)


def _json(row: Row) -> bytes:
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")
