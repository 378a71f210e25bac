"""Which names may become tokens of subjects and keys."""

from __future__ import annotations

import re

from ..errors import MusterError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
_SUBJECT_TOKEN = re.compile(r"[!-~]+")


def is_name(value: str) -> bool:
    """Whether `value` may name a stream, a group or a member."""
    return _NAME.fullmatch(value) is not None


def check_name(what: str, value: str) -> str:
    """Gives `value` back, or raises MusterError `bad_name`."""
    if not is_name(value):
        raise MusterError("bad_name", f"{what} {value!r} does not match ^[A-Za-z0-9_-]{{1,60}}$")
    return value


def is_stream(value: str) -> bool:
    """Whether `value` may name a stream: `core` stands for core NATS queue groups."""
    return is_name(value) and value != "core"


def is_subject(value: str) -> bool:
    """Whether one can publish to `value`: printable ASCII tokens, no wildcards."""
    tokens = value.split(".")
    return all(_SUBJECT_TOKEN.fullmatch(t) and "*" not in t and ">" not in t for t in tokens)
