"""What the server says of a delivery in its ack reply subject."""

from __future__ import annotations

from typing import NamedTuple

_MOST_DIGITS = 19


class AckReply(NamedTuple):
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
    if not subject.startswith("$JS.ACK."):
        return None
    tokens = subject.split(".")
    # The longer form begins with a domain and an account; what follows the pending count is free.
    if len(tokens) == 9:
        _, _, stream, consumer, delivered, seq, consumer_seq, store_time, pending = tokens
    elif len(tokens) >= 11:
        stream, consumer, delivered, seq, consumer_seq, store_time, pending = tokens[4:11]
    else:
        return None
    # All five at once: every message has them.
    digits = delivered + seq + consumer_seq + store_time + pending
    if not (digits.isascii() and digits.isdigit() and stream and consumer):
        return None
    for number in (delivered, seq, consumer_seq, store_time, pending):
        if not 0 < len(number) <= _MOST_DIGITS:
            return None
    return AckReply(stream, consumer, int(delivered), int(seq), store_time, int(pending))
