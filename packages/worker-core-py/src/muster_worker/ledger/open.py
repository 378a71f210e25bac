"""The ledger that the group's spec names."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
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
        case _:
            raise MusterError("unsupported_spec", "ledger postgres is not supported here")


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
