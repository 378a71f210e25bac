"""The contracts a member has loaded; the JSON Schema in the bucket is the one verdict of all
languages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from .errors import MusterError
from .kv import Kv
from .log import Log
from .protocol.keys import CONTRACTS
from .protocol.verdict import Judge, create_verdict


class Contracts:
    """Compiled contracts by name; a new revision replaces the old one."""

    def __init__(self, kv: Kv, log: Log) -> None:
        self._kv = kv
        self._log = log
        self._loaded: dict[str, tuple[int, Judge]] = {}
        self._bad_revisions: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """The contracts loaded."""
        return sorted(self._loaded)

    def loaded(self, name: str) -> Judge | None:
        """The verdict of a contract that is loaded."""
        loaded = self._loaded.get(name)
        return loaded[1] if loaded else None

    async def verdict(self, name: str) -> Judge | None:
        """The verdict of a contract, fetched now if it is not loaded; None when it is not there.

        Raises Unreachable.
        """
        return self.loaded(name) or await self._load(name)

    async def refresh(self, names: Sequence[str]) -> None:
        """Fetches what has changed of the contracts the spec names. What is unreachable or gone
        stays as it is."""
        for name in [name for name in self._loaded if name not in names]:
            del self._loaded[name]
        await asyncio.gather(*(self._load(name) for name in names), return_exceptions=True)

    async def _load(self, name: str) -> Judge | None:
        revision, value = await self._kv.get(CONTRACTS, name)
        known = self._loaded.get(name)
        is_known = known is not None and known[0] == revision
        if value is None or is_known or self._bad_revisions.get(name) == revision:
            return self.loaded(name)
        try:
            judge = create_verdict(name, json.loads(value))
        except (MusterError, ValueError) as error:
            self._bad_revisions[name] = revision
            self._log.error(
                "contract cannot be used",
                code="bad_contract",
                contract=name,
                revision=revision,
                error=str(error),
            )
            return self.loaded(name)
        self._loaded[name] = (revision, judge)
        return judge
