"""The contracts a member knows, from the bucket."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .errors import MusterError, Unreachable
from .keys import CONTRACTS
from .kv import kv_get
from .log import Log
from .verdict import Judge, create_verdict
from .wire import Wire


class Contracts:
    """Compiled contracts by name; a new revision replaces the old one."""

    def __init__(self, wire: Wire, log: Log) -> None:
        self._wire = wire
        self._log = log
        self._known: dict[str, tuple[int, Judge]] = {}

    @property
    def names(self) -> list[str]:
        """The contracts known here."""
        return sorted(self._known)

    def judge(self, name: str) -> Judge | None:
        """The verdict of a contract that is loaded."""
        known = self._known.get(name)
        return known[1] if known else None

    async def load(self, names: Iterable[str]) -> None:
        """Gets each contract; what is absent or unreachable now keeps its last good revision."""
        for name in names:
            try:
                await self.get(name)
            except Unreachable as error:
                self._log.debug("contract not read", code=name, error=str(error))

    async def get(self, name: str) -> Judge | None:
        """Gets one contract; None when it is absent or no JSON Schema."""
        entry = await kv_get(self._wire, CONTRACTS, name)
        if entry is None or entry.value is None:
            return self.judge(name)
        known = self._known.get(name)
        if known and known[0] == entry.revision:
            return known[1]
        try:
            judge = create_verdict(name, json.loads(entry.value))
        except (MusterError, ValueError) as error:
            self._log.error("contract refused", code=name, error=str(error))
            return self.judge(name)
        self._known[name] = (entry.revision, judge)
        return judge
