"""A handler's result as it goes into the ledger row."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

MAX_RESULT_BYTES = 8192
"""Bytes of compact UTF-8 JSON a result may have."""


class EncodedResult(NamedTuple):
    """A result that is JSON, or why it is none."""

    value: Any = None
    error: str | None = None


_NO_RESULT = EncodedResult()
_NOT_JSON = EncodedResult(error="result is not JSON")


def encode_result(result: Any) -> EncodedResult:
    """Checks that a result is JSON in every language and small enough; no result is `null`."""
    if result is None:
        return _NO_RESULT
    try:
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        data = text.encode("utf-8")
        value = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return _NOT_JSON
    if len(data) > MAX_RESULT_BYTES:
        return EncodedResult(error=f"result of {len(data)} bytes is over {MAX_RESULT_BYTES}")
    return EncodedResult(value)
