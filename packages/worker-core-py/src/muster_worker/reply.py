"""What the server says of a delivery in its ack reply subject."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DIGITS = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, kw_only=True)
class AckReply:
    """The tokens of an ack reply that the protocol uses."""

    stream: str
    consumer: str
    delivered: int
    """How often the server handed the message out, this time included."""
    seq: int
    store_time: str
    """Nanoseconds since 1970, kept as text: it is part of the message's identity."""
    pending: int


def parse_ack_reply(subject: str) -> AckReply | None:
    """Reads `$JS.ACK…` in its 9-token and its 11-token (and longer) form."""
    tokens = subject.split(".")
    if tokens[:2] != ["$JS", "ACK"]:
        return None
    # The longer form begins with a domain and an account; what follows the pending count is free.
    if len(tokens) == 9:
        rest = tokens[2:]
    elif len(tokens) >= 11:
        rest = tokens[4:11]
    else:
        return None
    stream, consumer, delivered, seq, consumer_seq, store_time, pending = rest
    numbers = (delivered, seq, consumer_seq, store_time, pending)
    if not stream or not consumer or not all(map(_DIGITS.fullmatch, numbers)):
        return None
    return AckReply(
        stream=stream,
        consumer=consumer,
        delivered=int(delivered),
        seq=int(seq),
        store_time=store_time,
        pending=int(pending),
    )
