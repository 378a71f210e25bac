"""Attempts records in their bucket."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, NamedTuple

from .clock import iso_time
from .config import LANGUAGE, Config
from .errors import Unreachable
from .kv import Kv
from .message import Message
from .protocol import attempts as rules
from .protocol.attempts import Record
from .protocol.keys import ATTEMPTS, attempts_key
from .protocol.schemas import is_document


class Attempts(NamedTuple):
    """The record of a message as it is in the bucket."""

    record: Record | None
    """None where there is none, or one of another message under the same sequence."""
    revision: int


class AttemptsStore:
    """Reads and writes attempts records. What asks the server raises Unreachable."""

    def __init__(self, kv: Kv, config: Config) -> None:
        self._kv = kv
        self._config = config

    async def get(self, message: Message) -> Attempts:
        """The record of this very message."""
        entry = await self._kv.get(ATTEMPTS, self._key(message))
        record = _read_record(entry.value, message.store_time)
        return Attempts(record, entry.revision)

    async def put(self, message: Message, attempts: Attempts, record: Record) -> Attempts | None:
        """What was written; None when the record has changed since it was read."""
        value = json.dumps(record, separators=(",", ":")).encode()
        revision = await self._kv.put(ATTEMPTS, self._key(message), value, attempts.revision)
        return None if revision is None else Attempts(record, revision)

    async def delete(self, message: Message, attempts: Attempts | None) -> None:
        """Cleaning up: a failure costs nothing, the record expires by itself."""
        if attempts is not None and attempts.record is not None:
            with suppress(Unreachable):
                await self._kv.delete(ATTEMPTS, self._key(message), attempts.revision)

    def with_start(self, message: Message, record: Record | None, started_at: float) -> Record:
        """The record with the note that the handler is about to start."""
        base = record or _empty(message)
        return rules.started(base, self._entry(started_at), message.delivered)

    def with_failure(
        self,
        message: Message,
        record: Record | None,
        started_at: float,
        error_class: str,
        error: str,
        delay_ms: int | None = None,
    ) -> Record:
        """The record with a failed attempt; one whose start was noted is not counted twice.

        Without a delay it is not tried again.
        """
        entry = self._entry(started_at) | {
            "ended_at": iso_time(),
            "error_class": error_class,
            "error": error,
        }
        if delay_ms is not None:
            entry["delay_ms"] = delay_ms
        return rules.failed(record or _empty(message), entry, message.delivered)

    def with_snooze(
        self, message: Message, record: Record | None, started_at: float, delay_ms: int
    ) -> Record:
        """The record with a snooze, which is no attempt."""
        entry = self._entry(started_at) | {"ended_at": iso_time(), "delay_ms": delay_ms}
        return rules.snoozed(record or _empty(message), entry, message.delivered)

    def _entry(self, started_at: float) -> dict[str, Any]:
        return {
            "member": self._config.member,
            "language": LANGUAGE,
            "version": self._config.version,
            "started_at": iso_time(started_at),
        }

    def _key(self, message: Message) -> str:
        return attempts_key(self._config.stream, self._config.group, message.sequence)


def _empty(message: Message) -> Record:
    return rules.empty_record(
        sequence=message.sequence, store_time=message.store_time, event_id=message.event_id
    )


def _read_record(value: bytes | None, store_time: str) -> Record | None:
    if value is None:
        return None
    try:
        record: Record = json.loads(value)
    except ValueError:
        record = {}
    # One that cannot be read counts as none, and is written over.
    is_readable = is_document("attempts-record", record)
    return record if is_readable and rules.same_message(record, store_time) else None
