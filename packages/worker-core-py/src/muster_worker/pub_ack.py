"""The answer of a stream to a publish."""

from __future__ import annotations

import json
from typing import NamedTuple

from .errors import Unreachable
from .msg import Msg


class PubAck(NamedTuple):
    """Taken, with its sequence; or refused, with the server's code and text."""

    sequence: int
    stream: str = ""
    is_duplicate: bool = False
    error_code: int = 0
    error: str = ""
    is_ok: bool = True


def read_pub_ack(msg: Msg) -> PubAck:
    """Reads the answer; raises Unreachable when it is no PubAck."""
    try:
        answer = json.loads(msg.data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unreachable("the answer to a publish is no PubAck")
    error = answer.get("error")
    if isinstance(error, dict):
        code, text = error.get("err_code"), error.get("description")
        return PubAck(
            sequence=0,
            error_code=code if isinstance(code, int) else 0,
            error=text if isinstance(text, str) else "",
            is_ok=False,
        )
    sequence, stream = answer.get("seq"), answer.get("stream")
    if not isinstance(sequence, int) or isinstance(sequence, bool):
        raise Unreachable("the answer to a publish is no PubAck")
    return PubAck(
        sequence=sequence,
        stream=stream if isinstance(stream, str) else "",
        is_duplicate=answer.get("duplicate") is True,
    )
