"""Attempts records in their bucket."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .attempts import Record, same_message
from .errors import Conflict, Unreachable
from .keys import ATTEMPTS, attempts_key
from .kv import kv_delete, kv_get, kv_put
from .message import Message
from .wire import Wire


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A message's record as it was read. `record` None: none of this message."""

    record: Record | None = None
    revision: int = 0
    exists: bool = False
    """Whether there is something to clean up."""


class Records:
    """The attempts records of one group."""

    def __init__(self, wire: Wire, stream: str, group: str) -> None:
        self._wire = wire
        self._stream = stream
        self._group = group

    async def get(self, message: Message) -> Kept:
        """The record of this very message."""
        entry = await kv_get(self._wire, ATTEMPTS, self._key(message))
        if entry is None or entry.value is None:
            return Kept(revision=entry.revision if entry else 0)
        try:
            record = json.loads(entry.value)
            same = same_message(record, message.ack.store_time)
        except (ValueError, KeyError, TypeError):
            # Nobody can count by it any more: written anew.
            same = False
        return Kept(record=record if same else None, revision=entry.revision, exists=same)

    async def write(self, message: Message, record: Record, kept: Kept) -> Kept:
        """Writes over what was read; raises Conflict when it has changed since."""
        value = json.dumps(record, separators=(",", ":")).encode()
        revision = await kv_put(self._wire, ATTEMPTS, self._key(message), value, kept.revision)
        return Kept(record=record, revision=revision, exists=True)

    async def delete(self, message: Message, kept: Kept) -> None:
        """Cleans up after the message is settled; what stays expires with the bucket."""
        if not kept.exists:
            return
        try:
            await kv_delete(self._wire, ATTEMPTS, self._key(message), kept.revision)
        except (Conflict, Unreachable):
            return

    def _key(self, message: Message) -> str:
        return attempts_key(self._stream, self._group, message.ack.seq)
