"""Membership: the member's record, written with every heartbeat by compare and set."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from .config import Config
from .errors import Conflict, IdTaken, Unreachable
from .keys import MEMBERS, member_key
from .kv import kv_create, kv_delete, kv_get, kv_put
from .log import Log
from .wire import Wire

WATCHED_BEATS = 2
"""Beats to watch another instance's record before taking over its id."""


class Member:
    """One instance under its id. `record` makes the current record."""

    def __init__(
        self,
        wire: Wire,
        log: Log,
        config: Config,
        instance: str,
        record: Callable[[], dict[str, Any]],
    ) -> None:
        self._wire = wire
        self._log = log
        self._config = config
        self._instance = instance
        self._record = record
        self._key = member_key(config.stream, config.group, config.member)
        self._revision = 0
        self._joined = False

    async def join(self) -> None:
        """Announces the member; raises IdTaken when its id lives elsewhere."""
        try:
            self._revision = await kv_create(self._wire, MEMBERS, self._key, self._value())
        except Conflict:
            self._revision = await self._take_over()
        self._joined = True

    async def beat(self) -> None:
        """Writes the record. IdTaken: another instance has our id. Unreachable: next beat."""
        try:
            self._revision = await kv_put(
                self._wire, MEMBERS, self._key, self._value(), self._revision
            )
            return
        except Conflict:
            entry = await kv_get(self._wire, MEMBERS, self._key)
        if entry is not None and entry.value is not None and not self._is_ours(entry.value):
            raise IdTaken(self._config.member)
        # Expired in an outage, or a write of ours whose answer was lost.
        revision = entry.revision if entry else 0
        self._revision = await kv_put(self._wire, MEMBERS, self._key, self._value(), revision)

    async def leave(self) -> None:
        """Deletes the record: left, not crashed."""
        if not self._joined:
            return
        self._joined = False
        try:
            # Got first: the answer to our last write may have been lost.
            entry = await kv_get(self._wire, MEMBERS, self._key)
            if entry is not None and entry.value is not None and self._is_ours(entry.value):
                await kv_delete(self._wire, MEMBERS, self._key, entry.revision)
        except (Conflict, Unreachable) as error:
            self._log.debug("record not deleted", error=str(error))

    async def _take_over(self) -> int:
        first = await kv_get(self._wire, MEMBERS, self._key)
        until = time.monotonic() + WATCHED_BEATS * self._config.heartbeat_ms / 1000
        if first is not None and first.value is not None and not self._is_ours(first.value):
            while (left := until - time.monotonic()) > 0:
                await asyncio.sleep(min(left, self._config.heartbeat_ms / 4000))
                now = await kv_get(self._wire, MEMBERS, self._key)
                if now is None or now.value is None:
                    first = now
                    break
                if now.revision != first.revision:
                    raise IdTaken(self._config.member)
        revision = first.revision if first else 0
        try:
            return await kv_put(self._wire, MEMBERS, self._key, self._value(), revision)
        except Conflict:
            raise IdTaken(self._config.member) from None

    def _value(self) -> bytes:
        return json.dumps(self._record(), separators=(",", ":")).encode()

    def _is_ours(self, value: bytes) -> bool:
        try:
            return bool(json.loads(value).get("instance") == self._instance)
        except (ValueError, AttributeError):
            return False
