"""The ledger that the group's spec names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from importlib import import_module
from typing import TypeVar

from ..base import Base
from ..errors import MusterError
from ..message import Message
from ..metrics import LedgerOp, Metrics
from ..protocol.spec import GroupSpec
from .kv import KvLedger
from .ledger import Ledger, LedgerTransaction, LookUp, RowWrite
from .none import NoLedger

T = TypeVar("T")


async def open_ledger(spec: GroupSpec, base: Base, metrics: Metrics) -> Ledger:
    """Opens it. Raises Unreachable, or MusterError `ledger_schema`, where it cannot be used yet."""
    match spec.ledger:
        case "none":
            return NoLedger(base.kv, base.config)
        case "kv":
            return TimedLedger(KvLedger(base.kv, base.config), metrics)
        case "postgres":
            return TimedLedger(await _open_postgres(spec, base), metrics)


async def _open_postgres(spec: GroupSpec, base: Base) -> Ledger:
    # Loaded only where a group uses it: the client costs every other worker time and memory at its
    # start. In a thread: a loop that stands still for so long takes what comes next for lost.
    try:
        postgres = await asyncio.to_thread(import_module, f"{__package__}.postgres")
    except ImportError as error:
        text = "ledger postgres needs psycopg: install muster-worker[postgres]"
        raise MusterError("unsupported_spec", f"{text} ({error})") from error
    config = base.config

    def ack_wait_ms() -> int:
        return (base.spec.last or spec).ack_wait_ms

    ledger = postgres.PostgresLedger(
        database_url=config.database_url or "",
        stream=config.stream,
        group=config.group,
        member=config.member,
        ack_wait_ms=ack_wait_ms,
    )
    try:
        await ledger.migrate()
    except BaseException:
        await ledger.close()
        raise
    opened: Ledger = ledger
    return opened


class TimedLedger:
    """The same ledger, with its answers timed."""

    def __init__(self, ledger: Ledger, metrics: Metrics) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self.kind = ledger.kind
        self.looks_up_first = ledger.looks_up_first
        self.transaction = ledger.transaction
        self.join = ledger.join
        self.is_reachable = ledger.is_reachable
        self.close = ledger.close

    async def look_up(self, message: Message) -> LookUp:
        """As the ledger's."""
        return await self._time("look_up", self._ledger.look_up(message))

    async def look_up_again(self, message: Message, after: LookUp) -> LookUp:
        """As the ledger's."""
        return await self._time("look_up", self._ledger.look_up_again(message, after))

    async def write(self, write: RowWrite, tx: LedgerTransaction | None = None) -> bool:
        """As the ledger's."""
        return await self._time("write", self._ledger.write(write, tx))

    async def write_all(
        self, writes: Sequence[RowWrite], tx: LedgerTransaction | None = None
    ) -> list[bool]:
        """As the ledger's."""
        return await self._time("write", self._ledger.write_all(writes, tx))

    async def _time(self, op: LedgerOp, asked: Awaitable[T]) -> T:
        started_at = time.monotonic()
        try:
            return await asked
        finally:
            self._metrics.ledger[op].observe(time.monotonic() - started_at)
