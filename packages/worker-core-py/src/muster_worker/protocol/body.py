"""A message body as a JSON value, by the protocol's own rules, not Python's.

Python's reader takes NaN, UTF-16, lone surrogates and integers of any size; the other languages
do not. So the bytes are looked at first, and the numbers are made doubles.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

MAX_DEPTH = 64
"""Brackets outside strings may nest this deep."""

_MAX_EXACT = 2**53
_EXACT_DIGITS = 16
# A string literal (also one that never ends), or one bracket. Possessive: no backtracking.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.?)*+"?|[\[{]|[\]}]', re.DOTALL)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE = re.compile("[\ud800-\udfff]")


class BodyError(Exception):
    """The body is not JSON as the protocol wants it."""

    def __init__(self, code: str, error: str) -> None:
        super().__init__(error)
        self.code = code


class _Found:
    """What the parser's hooks came across."""

    infinite = False
    lone = False


def parse_body(data: bytes) -> Any:
    """The JSON value of `data`, or BodyError with the first rule it breaks."""
    if not data:
        raise BodyError("empty", "empty payload")
    if data.startswith(b"\xef\xbb\xbf"):
        raise BodyError("bom", "byte order mark")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise BodyError("utf8", "not UTF-8") from None
    if _is_too_deep(data):
        raise BodyError("depth", f"nested deeper than {MAX_DEPTH}")
    if b"\\u" not in data:
        # The common body: no escape that could be half a character.
        try:
            return _PLAIN.decode(text)
        except (ValueError, RecursionError):
            # Which rule it breaks is looked at below.
            pass
    found = _Found()
    try:
        value = _decoder(found, _SURROGATE_ESCAPE.search(data) is not None).decode(text)
    except (ValueError, RecursionError):
        raise BodyError("json", "not JSON") from None
    if found.infinite:
        raise BodyError("number", "number beyond a double")
    if found.lone or _has_lone(value):
        raise BodyError("surrogate", "lone surrogate")
    return value


def _is_too_deep(data: bytes) -> bool:
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _TOKEN.finditer(data):
        first = data[match.start()]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif first in b"]}":
            depth -= 1
    return False


def _decoder(found: _Found, may_be_lone: bool) -> json.JSONDecoder:
    def number(text: str) -> int | float:
        try:
            return _number(text)
        except ValueError:
            found.infinite = True
            return 0

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        # Seen here, because a key given twice hides its first value from the result.
        if any(_LONE.search(key) or _has_lone(value) for key, value in items):
            found.lone = True
        return dict(items)

    return json.JSONDecoder(
        parse_int=number,
        parse_float=number,
        parse_constant=_refuse,
        object_pairs_hook=pairs if may_be_lone else None,
    )


def _number(text: str) -> int | float:
    """A double; a whole one is an int here, as 1.0 and 1 are one number elsewhere."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return int(value) if value.is_integer() and abs(value) <= _MAX_EXACT else value


def _integer(text: str) -> int | float:
    return int(text) if len(text) < _EXACT_DIGITS else _number(text)


def _refuse(text: str) -> Any:
    raise ValueError(text)


_PLAIN = json.JSONDecoder(parse_int=_integer, parse_float=_number, parse_constant=_refuse)


def _has_lone(value: Any) -> bool:
    """Looks into strings and lists; objects were seen when they were made."""
    if isinstance(value, str):
        return _LONE.search(value) is not None
    if isinstance(value, list):
        return any(_has_lone(item) for item in value)
    return False
