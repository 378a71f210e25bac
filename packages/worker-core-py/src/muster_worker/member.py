"""The member's record: its place in the group, kept by compare and set, so that two processes under
one id notice each other."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from .config import Config
from .errors import Unreachable
from .kv import Kv
from .log import Log
from .protocol.keys import MEMBERS, member_key

Claim = Literal["claimed", "taken", "unreachable"]
"""`taken`: a live process has the id. `unreachable`: not known yet, the next beat tries again."""

MakeRecord = Callable[[], dict[str, Any]]

_WATCHED_BEATS = 2

_LEAVE_TRIES = 3
"""One more than there can be writes of our own on their way."""


class Membership:
    """One instance under its id."""

    def __init__(self, kv: Kv, config: Config, instance: str, log: Log) -> None:
        self._kv = kv
        self._config = config
        self._instance = instance
        self._log = log
        self._key = member_key(config.stream, config.group, config.member)
        self._revision: int | None = None
        # Whether a record of ours may be there: the answer to its write may not have come.
        self._has_tried = False

    async def claim(self, record: MakeRecord, stopped: asyncio.Event) -> Claim:
        """Takes the id: at once where it is free, after two beats where its record does not
        change. `stopped` ends the wait."""
        self._has_tried = True
        try:
            made = await self._kv.create(MEMBERS, self._key, _encode(record))
            if made is None:
                return await self._watch(record, stopped)
        except Unreachable as error:
            return self._not_written(error)
        self._revision = made
        return "claimed"

    async def beat(self, record: MakeRecord, stopped: asyncio.Event) -> Claim:
        """Writes the record."""
        if self._revision is None:
            return await self.claim(record, stopped)
        try:
            for _ in range(3):
                put = await self._kv.put(MEMBERS, self._key, _encode(record), self._revision)
                if put is not None:
                    self._revision = put
                    return "claimed"
                # After an outage the record has expired and its marker has taken a revision.
                entry = await self._kv.get(MEMBERS, self._key)
                if entry.value is not None and not self._is_ours(entry.value):
                    return "taken"
                self._revision = entry.revision
        except Unreachable as error:
            return self._not_written(error)
        return "unreachable"

    async def leave(self) -> None:
        """Deletes the record: a member that leaves is no crash."""
        if not self._has_tried:
            return
        self._has_tried = False
        with suppress(Unreachable):
            for _ in range(_LEAVE_TRIES):
                # Got first: the answer to our last write may have been lost.
                entry = await self._kv.get(MEMBERS, self._key)
                if entry.value is None or not self._is_ours(entry.value):
                    return
                # A last heartbeat that was still on its way comes before it.
                if await self._kv.delete(MEMBERS, self._key, entry.revision) is not None:
                    return

    async def _watch(self, record: MakeRecord, stopped: asyncio.Event) -> Claim:
        beat_s = self._config.heartbeat_ms / 1000
        revision, value = await self._kv.get(MEMBERS, self._key)
        is_foreign = value is not None and not self._is_ours(value)
        until = time.monotonic() + (_WATCHED_BEATS * beat_s if is_foreign else 0)
        while (left_s := until - time.monotonic()) > 0:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stopped.wait(), min(left_s, beat_s / 4))
                return "unreachable"
            entry = await self._kv.get(MEMBERS, self._key)
            if entry.value is not None and entry.revision != revision:
                return "taken"
            revision = entry.revision
            if entry.value is None:
                break
        put = await self._kv.put(MEMBERS, self._key, _encode(record), revision)
        if put is None:
            return "taken"
        self._revision = put
        return "claimed"

    def _not_written(self, error: Unreachable) -> Claim:
        self._log.debug("heartbeat not written", code="unreachable", error=str(error))
        return "unreachable"

    def _is_ours(self, value: bytes) -> bool:
        try:
            record = json.loads(value)
            return bool(record["v"] == 1 and record["instance"] == self._instance)
        except (ValueError, TypeError, KeyError):
            return False


def _encode(record: MakeRecord) -> bytes:
    return json.dumps(record(), separators=(",", ":")).encode()
