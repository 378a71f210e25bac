"""The group's spec: parsed at the edge, polled with every heartbeat."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from .errors import MusterError
from .keys import GROUPS, group_key
from .kv import kv_get
from .log import Log
from .spec_problems import spec_problems
from .verdict import Judge, create_verdict
from .wire import Wire

MISSES = 3
"""Polls in a row without a spec until it counts as gone."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """When failed attempts come back."""

    max_attempts: int
    backoff_ms: tuple[int, ...]
    """The last one repeats."""
    jitter: float
    max_snooze_ms: int


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The desired state of the group, as far as a member needs it."""

    revision: int
    contracts: tuple[str, ...]
    """The accepted ones; the first is the default."""
    delivery: str
    """As compact JSON, for comparison: a change needs a restart."""
    mode: str
    ledger: str
    ack_wait_ms: int
    concurrency: int
    timeout_ms: int
    retry: Retry
    paused: bool


def parse_spec(data: bytes, revision: int, stream: str, group: str) -> Spec:
    """Reads a spec and fills in the defaults; MusterError `bad_spec` says what is wrong."""
    verdict = _judge()(data)
    if verdict.code is not None:
        raise MusterError("bad_spec", verdict.error)
    raw = with_defaults(verdict.value)
    if problems := spec_problems(raw):
        raise MusterError("bad_spec", "; ".join(problems))
    if (raw["stream"], raw["group"]) != (stream, group):
        raise MusterError("bad_spec", f"is of {raw['stream']}.{raw['group']}")
    retry = raw["retry"]
    return Spec(
        revision=revision,
        contracts=tuple(raw["contracts"]),
        delivery=json.dumps(raw["delivery"], sort_keys=True),
        mode=raw["delivery"]["mode"],
        ledger=raw["ledger"],
        ack_wait_ms=raw["ack_wait_ms"],
        concurrency=raw["concurrency"],
        timeout_ms=raw["timeout_ms"],
        retry=Retry(
            max_attempts=retry["max_attempts"],
            backoff_ms=tuple(retry["backoff_ms"]),
            jitter=retry["jitter"],
            max_snooze_ms=retry["max_snooze_ms"],
        ),
        paused=raw["paused"],
    )


class SpecPoll:
    """The last good spec, and whether it still counts."""

    def __init__(self, wire: Wire, log: Log, stream: str, group: str) -> None:
        self._wire = wire
        self._log = log
        self._stream = stream
        self._group = group
        self._misses = MISSES
        self._refused = 0
        self.joined_with: Spec | None = None
        """The first one: what a change needs a restart for is compared with it."""
        self.last: Spec | None = None

    @property
    def current(self) -> Spec | None:
        """The spec, None while there is none to go by."""
        return self.last if self._misses < MISSES else None

    @property
    def restart_needed(self) -> list[str]:
        """Fields that changed and do not apply live."""
        first, last = self.joined_with, self.last
        if first is None or last is None:
            return []
        return [
            name for name in ("delivery", "ledger") if getattr(first, name) != getattr(last, name)
        ]

    async def poll(self) -> bool:
        """Gets the spec once; whether anything changed. Raises Unreachable, which is no miss."""
        before = self.current
        entry = await kv_get(self._wire, GROUPS, group_key(self._stream, self._group))
        if entry is None or entry.value is None:
            self._misses = min(self._misses + 1, MISSES)
        elif self.last is not None and entry.revision == self.last.revision:
            self._misses = 0
        else:
            self._take(entry.value, entry.revision)
        after = self.current
        if before is not None and after is None:
            self._log.warning("spec missing")
        return before != after

    def _take(self, value: bytes, revision: int) -> None:
        try:
            spec = parse_spec(value, revision, self._stream, self._group)
        except MusterError as error:
            if revision != self._refused:
                self._log.error("spec refused", revision=revision, error=str(error))
            self._refused = revision
            # The last good one stays; at start there is none.
            self._misses = 0 if self.last is not None else MISSES
            return
        self.last = spec
        self.joined_with = self.joined_with or spec
        self._misses = 0
        self._log.info("spec changed", revision=revision)


@cache
def _schema() -> Any:
    """The committed copy of the contracts' schema; a test compares the two."""
    path = resources.files(__package__) / "schemas" / "group-spec.json"
    return json.loads(path.read_text("utf-8"))


@cache
def _judge() -> Judge:
    return create_verdict("group-spec", _schema())


def with_defaults(value: dict[str, Any]) -> dict[str, Any]:
    """A spec that passed its schema, with the defaults of what it leaves out."""
    return _with_defaults(_schema(), value)


def _with_defaults(schema: Any, value: dict[str, Any]) -> dict[str, Any]:
    filled = dict(value)
    for name, rule in schema["properties"].items():
        if "default" in rule:
            filled.setdefault(name, rule["default"])
        if "properties" in rule and isinstance(filled.get(name), dict):
            filled[name] = _with_defaults(rule, filled[name])
    return filled
