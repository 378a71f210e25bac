"""Text that is safe in a header, and the fingerprint that groups errors."""

from __future__ import annotations

import re

from .keys import sha256_hex

MAX_TEXT = 1024
"""Characters of our own header values."""

_PRINTABLE = re.compile(r"[ -~]*")
_RUN = re.compile(r"[0-9a-f-]+")
_DIGIT = re.compile(r"[0-9]")
_SPACES = re.compile(r"[ \t\n\v\f\r]+")


def header_text(value: str, max_chars: int | None = MAX_TEXT) -> str:
    r"""`value` with every UTF-16 unit outside 0x20-0x7E as `\uXXXX`, trimmed and cut.

    `max_chars` None: not cut (values copied from the original message).
    """
    text = value if _PRINTABLE.fullmatch(value) else "".join(map(_escape, value))
    text = text.strip(" ")
    return text if max_chars is None else text[:max_chars]


def fingerprint(reason: str, error: str) -> str:
    """The same for errors that differ only in numbers, ids and spacing."""
    text = header_text(error)
    lower = "".join(c.lower() if "A" <= c <= "Z" else c for c in text)
    numberless = _RUN.sub(lambda run: "#" if _DIGIT.search(run[0]) else run[0], lower)
    normal = _SPACES.sub(" ", numberless)
    return sha256_hex(f"{reason}\n{normal}".encode())[:16]


def _escape(char: str) -> str:
    code = ord(char)
    if 0x20 <= code <= 0x7E:
        return char
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
