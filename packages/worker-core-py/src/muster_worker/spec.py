"""The group's spec as the bucket last had it, polled with every heartbeat."""

from __future__ import annotations

from .config import Config
from .errors import MusterError, Unreachable
from .kv import Kv
from .log import Log
from .protocol.keys import GROUPS, group_key
from .protocol.spec import GroupSpec, parse_spec

MISSES = 3
"""Polls in a row without a spec until it counts as gone."""


class SpecPoll:
    """The last good spec, and whether it still counts."""

    def __init__(self, kv: Kv, config: Config, log: Log) -> None:
        self._kv = kv
        self._config = config
        self._log = log
        self._first: GroupSpec | None = None
        # Revision of the last good spec, and of the one last read, good or not.
        self._revision = 0
        self._seen = 0
        self._misses = 0
        self._is_gone = True
        self._is_missing_said = False
        self.last: GroupSpec | None = None
        """The last good spec, even when it is gone: what is held still runs by it."""

    @property
    def is_ready(self) -> bool:
        """True while the group exists."""
        return self.last is not None and not self._is_gone

    @property
    def revision(self) -> int:
        """Of the spec in use; 0 before the first and while it is gone."""
        return self._revision if self.is_ready else 0

    @property
    def restart_needed(self) -> list[str]:
        """Fields that changed and take effect only in a new process."""
        first, last = self._first, self.last
        if first is None or last is None:
            return []
        changed = ["delivery"] if first.delivery.raw != last.delivery.raw else []
        return changed + (["ledger"] if first.ledger != last.ledger else [])

    def begin_with(self, spec: GroupSpec) -> None:
        """The mode was opened by this spec; later ones are compared with it."""
        self._first = spec

    async def poll(self) -> None:
        """Asks for the spec; an unreachable bucket changes nothing."""
        key = group_key(self._config.stream, self._config.group)
        try:
            revision, value = await self._kv.get(GROUPS, key)
        except Unreachable as error:
            if self.last is None:
                self._say_missing(code="unreachable", error=str(error))
            return
        if value is None:
            self._miss()
            return
        self._misses = 0
        if revision != self._seen:
            self._seen = revision
            self._take(value)
        elif self.last is not None and self._is_gone:
            self._arrived()

    def _take(self, value: bytes) -> None:
        try:
            spec = parse_spec(value, self._config.stream, self._config.group)
        except MusterError as error:
            self._log.error(
                "spec cannot be used", code="bad_spec", revision=self._seen, error=str(error)
            )
            if self.last is None:
                self._miss()
            elif self._is_gone:
                self._arrived()
            return
        self.last = spec
        self._revision = self._seen
        self._arrived()

    def _arrived(self) -> None:
        self._is_gone = False
        self._is_missing_said = False
        self._log.info("spec changed", revision=self._revision)

    def _miss(self) -> None:
        self._misses += 1
        if self.last is None or self._misses >= MISSES:
            self._is_gone = True
            self._say_missing()

    def _say_missing(self, **fields: str) -> None:
        if not self._is_missing_said:
            self._is_missing_said = True
            self._log.warning("spec missing", **fields)
