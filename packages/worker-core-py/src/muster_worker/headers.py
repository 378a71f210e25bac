"""Headers as they are on the wire: read without judging them, written as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

Headers = dict[str, str]

_STATUS = re.compile(rb"NATS/1\.0[ \t]+([0-9]{3})[ \t]*(.*)", re.DOTALL)
# Where the code stands in `NATS/1.0 404`.
_CODE_AT = 9


class WireHeaders(NamedTuple):
    """The status line's code and text, 0 and "" where it has none; of each name the last value."""

    code: int
    description: str
    values: Headers


def read_headers(block: bytes) -> WireHeaders:
    """Reads a header block. It never raises: whoever may publish could otherwise stop every member
    with one odd line."""
    lines = block.split(b"\r\n")
    status = _STATUS.match(lines[0])
    values: Headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if colon and name:
            values[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace").strip(" \t")
    if status is None:
        return WireHeaders(0, "", values)
    return WireHeaders(int(status[1]), status[2].decode("utf-8", "replace").strip(), values)


def read_status(block: bytes) -> int:
    """The status code alone, without reading the rest; 0 where there is none."""
    code = block[_CODE_AT : _CODE_AT + 3]
    return int(code) if len(code) == 3 and code.isdigit() else 0


def encode_headers(values: Mapping[str, str]) -> bytes:
    """A header block to publish. The client's own writer refuses names that NATS allows."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in values.items()])
    return f"NATS/1.0\r\n{lines}\r\n".encode()
