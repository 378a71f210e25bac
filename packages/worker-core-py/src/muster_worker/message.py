"""One delivery of a message, as it came from the stream."""

from __future__ import annotations

import time
from typing import Any

from .event_id import new_event_id
from .headers import Headers, read_headers
from .msg import Msg
from .protocol.headers import replay_number
from .protocol.ids import event_id_of
from .protocol.keys import sha256_hex
from .protocol.reply import parse_ack_reply
from .protocol.subjects import strip_replay_prefix

_NO_HEADERS: Headers = {}
_CONTRACT = b"Muster-Contract:"


class Message:
    """A delivery.

    What costs time (headers, hash, subject) is read when it is first asked for: the common
    delivery needs little of it.
    """

    __slots__ = (
        "_body_sha256",
        "_event_id",
        "_group",
        "_headers",
        "_msg",
        "_stream",
        "_subject",
        "body",
        "delivered",
        "reply",
        "sequence",
        "store_time",
    )

    def __init__(
        self,
        msg: Msg,
        stream: str,
        group: str,
        sequence: int,
        store_time: str,
        delivered: int,
        *,
        event_id: str | None = None,
        subject: str | None = None,
    ) -> None:
        self._msg = msg
        self._stream = stream
        self._group = group
        self._headers: Headers | None = None
        self._event_id = event_id
        self._subject = subject
        self._body_sha256: str | None = None
        self.reply = msg.reply
        """Where acks are published."""
        self.body = msg.data
        self.sequence = sequence
        self.store_time = store_time
        """Nanoseconds as text: more digits than a double holds."""
        self.delivered = delivered
        """How often the server has handed it out, this time included; no count of attempts."""

    @property
    def headers(self) -> Headers:
        """Of a header given twice, the last value."""
        if self._headers is None:
            head = self._msg.head
            self._headers = read_headers(head).values if head else _NO_HEADERS
        return self._headers

    def contract(self, default: str) -> str:
        """The name of its contract."""
        # Most messages do not say it, and nothing else of their headers may be asked for.
        if self._headers is None and _CONTRACT not in self._msg.head:
            return default
        return self.headers.get("Muster-Contract") or default

    @property
    def subject(self) -> str:
        """The original subject, without a replay prefix."""
        if self._subject is None:
            self._subject = strip_replay_prefix(self._stream, self._group, self._msg.subject)
        return self._subject

    @property
    def event_id(self) -> str:
        """The business identity: it survives redelivery, republish and replay."""
        if self._event_id is None:
            self._event_id = event_id_of(self.headers, self._stream, self.sequence, self.store_time)
        return self._event_id

    @property
    def body_sha256(self) -> str:
        """Hex SHA-256 of the body."""
        if self._body_sha256 is None:
            self._body_sha256 = sha256_hex(self.body)
        return self._body_sha256

    @property
    def replay_number(self) -> int:
        """How often it was replayed, as it says itself."""
        return replay_number(self.headers)

    @property
    def identity(self) -> dict[str, Any]:
        """What the ledger's decision needs."""
        return {
            "body_sha256": self.body_sha256,
            "sequence": self.sequence,
            "store_time": self.store_time,
        }


def read_message(msg: Msg, stream: str, group: str) -> Message | None:
    """Reads a delivery; None when its reply subject is no ack subject."""
    ack = parse_ack_reply(msg.reply)
    if ack is None:
        return None
    return Message(msg, stream, group, ack.seq, ack.store_time, ack.delivered)


def core_message(msg: Msg, group: str, subject: str | None = None) -> Message:
    """Reads a core message: it has no sequence, and no identity but the one its publisher gave."""
    headers = read_headers(msg.head).values if msg.head else _NO_HEADERS
    is_named = headers.get("Muster-Event-Id") or headers.get("Nats-Msg-Id")
    return Message(
        msg,
        "core",
        group,
        0,
        _store_time_now(),
        1,
        event_id=None if is_named else new_event_id(),
        subject=msg.subject if subject is None else subject,
    )


_last_store_time = 0


def _store_time_now() -> str:
    # Nanoseconds as a stream would give them; two messages of one process never share them.
    global _last_store_time
    _last_store_time = max(time.time_ns(), _last_store_time + 1)
    return str(_last_store_time)
