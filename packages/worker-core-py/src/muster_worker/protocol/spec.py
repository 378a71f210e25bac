"""The group's spec as a document: its schema, its defaults, its rules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from ..errors import MusterError
from .schemas import read_schema
from .spec_problems import spec_problems
from .verdict import Judge, create_verdict

Mode = Literal["pull", "batch", "push", "queue"]
LedgerKind = Literal["none", "kv", "postgres"]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How messages come to members."""

    mode: Mode
    size: int = 1
    """Mode batch: messages handled at once, at most as many as `concurrency` allows."""
    wait_ms: int = 0
    """Mode batch: longest wait of a message for a full batch."""
    raw: str = ""
    """As compact JSON, for comparison: a change needs a restart."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """When failed attempts come back."""

    max_attempts: int
    backoff_ms: tuple[int, ...]
    """The last one repeats."""
    jitter: float
    max_snooze_ms: int


@dataclass(frozen=True, kw_only=True)
class BreakerSpec:
    """When a spike of failures stops the member from taking messages."""

    failure_share: float
    min_attempts: int
    window_ms: int
    pause_ms: int


@dataclass(frozen=True, kw_only=True)
class GroupSpec:
    """The desired state of a group, with its defaults."""

    stream: str
    group: str
    contracts: tuple[str, ...]
    """The accepted ones; the first is the default."""
    subjects: tuple[str, ...]
    delivery: Delivery
    ledger: LedgerKind
    ack_wait_ms: int
    max_ack_pending: int
    concurrency: int
    timeout_ms: int
    retry: Retry
    breaker: BreakerSpec | None
    paused: bool


def parse_spec(data: bytes, stream: str, group: str) -> GroupSpec:
    """Reads a spec and fills in the defaults; MusterError `bad_spec` says what is wrong."""
    verdict = _judge()(data)
    if verdict.code is not None:
        raise MusterError("bad_spec", verdict.error)
    raw = with_defaults(verdict.value)
    if (raw["stream"], raw["group"]) != (stream, group):
        raise MusterError("bad_spec", f"is the spec of {raw['stream']}.{raw['group']}")
    if problems := spec_problems(raw):
        raise MusterError("bad_spec", problems[0])
    delivery, retry, breaker = raw["delivery"], raw["retry"], raw.get("breaker")
    return GroupSpec(
        stream=stream,
        group=group,
        contracts=tuple(raw["contracts"]),
        subjects=tuple(raw["subjects"]),
        delivery=Delivery(
            mode=delivery["mode"],
            size=delivery.get("size", 1),
            wait_ms=delivery.get("wait_ms", 0),
            raw=json.dumps(delivery, sort_keys=True),
        ),
        ledger=raw["ledger"],
        ack_wait_ms=raw["ack_wait_ms"],
        max_ack_pending=raw["max_ack_pending"],
        concurrency=raw["concurrency"],
        timeout_ms=raw["timeout_ms"],
        retry=Retry(
            max_attempts=retry["max_attempts"],
            backoff_ms=tuple(retry["backoff_ms"]),
            jitter=retry["jitter"],
            max_snooze_ms=retry["max_snooze_ms"],
        ),
        breaker=breaker and _breaker(breaker),
        paused=raw["paused"],
    )


def with_defaults(value: dict[str, Any]) -> dict[str, Any]:
    """A spec that passed its schema, with the defaults of what it leaves out."""
    return _filled(read_schema("group-spec"), value)


def _breaker(raw: dict[str, Any]) -> BreakerSpec:
    return BreakerSpec(
        failure_share=raw["failure_share"],
        min_attempts=raw["min_attempts"],
        window_ms=raw["window_ms"],
        pause_ms=raw["pause_ms"],
    )


@cache
def _judge() -> Judge:
    return create_verdict("group-spec", read_schema("group-spec"))


def _filled(schema: Any, value: dict[str, Any]) -> dict[str, Any]:
    filled = dict(value)
    for name, rule in schema["properties"].items():
        if "default" in rule:
            filled.setdefault(name, rule["default"])
        if "properties" in rule and isinstance(filled.get(name), dict):
            filled[name] = _filled(rule, filled[name])
    return filled
