"""Structured logs: one JSON object a line on stdout, the same fields in every language."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from .clock import iso_time

LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40}
"""The values of LOG_LEVEL."""

Log = structlog.typing.FilteringBoundLogger


def create_log(level: str, fields: dict[str, str], out: TextIO | None = None) -> Log:
    """A logger whose lines all carry `fields`; the message is constant, data is in fields."""
    wrapper = structlog.make_filtering_bound_logger(LEVELS[level])
    log: Log = structlog.wrap_logger(
        structlog.PrintLogger(out or sys.stdout),
        processors=[_shape, structlog.processors.JSONRenderer(separators=(",", ":"))],
        wrapper_class=wrapper,
        cache_logger_on_first_use=True,
    ).bind(**fields)
    return log


def is_debug(log: Log) -> bool:
    """Whether lines at debug are written."""
    return bool(log.is_enabled_for(LEVELS["debug"]))


def _shape(_: Any, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    message = event.pop("event")
    level = "warn" if method == "warning" else method
    return {"time": iso_time(), "level": level, "msg": message, **event}
