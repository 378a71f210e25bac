"""No ledger: at least once."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import Config
from ..errors import Unreachable
from ..kv import Kv
from ..message import Message
from ..protocol.keys import ATTEMPTS, attempts_key
from ..protocol.spec import LedgerKind
from .ledger import UNSEEN, LedgerTransaction, LookUp, RowWrite


class NoLedger:
    """A repeat cannot be told from a first delivery, so the handler is idempotent by itself. The
    fastest."""

    kind: LedgerKind = "none"
    looks_up_first = False

    def __init__(self, kv: Kv, config: Config) -> None:
        self._kv = kv
        self._config = config

    async def look_up(self, message: Message) -> LookUp:
        """Nothing is ever seen."""
        return UNSEEN

    async def look_up_again(self, message: Message, after: LookUp) -> LookUp:
        """Nothing is ever seen."""
        return UNSEEN

    async def write(self, write: RowWrite, tx: LedgerTransaction | None = None) -> bool:
        """There is no row."""
        return True

    async def write_all(
        self, writes: Sequence[RowWrite], tx: LedgerTransaction | None = None
    ) -> list[bool]:
        """There are no rows."""
        return [True] * len(writes)

    async def join(self, message: Message, look_up: LookUp) -> LookUp:
        """There is no row to join."""
        return look_up

    def transaction(self) -> None:
        """There is none."""
        return

    async def is_reachable(self) -> bool:
        """The attempts records are all that such a group needs beside its stream."""
        try:
            key = attempts_key(self._config.stream, self._config.group, 0)
            await self._kv.get(ATTEMPTS, key)
        except Unreachable:
            return False
        return True

    async def close(self) -> None:
        """There is nothing to close."""
