"""A message in hand, and what the handler is told of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from .clock import Instant
from .headers import Headers, replay_number
from .ids import event_id_of
from .keys import sha256_hex
from .log import Log
from .reply import AckReply, parse_ack_reply
from .signal import Signal
from .subjects import strip_replay_prefix


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a handler is told besides the order."""

    event_id: str
    attempt: int
    """1 for the first attempt that counts."""
    subject: str
    """As the publisher sent it, also when this is a replay."""
    headers: Mapping[str, str]
    signal: Signal
    """Set when the deadline has passed or the member is stopped by force."""
    log: Log
    nats: Client
    """The member's connection."""


Handler = Callable[[Any, Context], Awaitable[Any]]
"""The work: raise PermanentError, RetryableError or Snooze, or return a JSON result."""


@dataclass(kw_only=True, eq=False)
class Message:
    """A message this member holds."""

    reply: str
    ack: AckReply
    subject: str
    headers: Headers
    body: bytes
    event_id: str
    replay_number: int
    extended: Instant
    """The last moment it is known to have been ours."""
    waiting: bool = True
    """Neither looked up nor started: may go to another member."""
    returned: bool = False
    """Handed back while it was waiting."""
    since: float = 0.0
    signal: Signal = field(default_factory=Signal)
    _sha256: str = ""

    @property
    def body_sha256(self) -> str:
        """Hex SHA-256 of the body, made when first asked for."""
        self._sha256 = self._sha256 or sha256_hex(self.body)
        return self._sha256

    @property
    def identity(self) -> dict[str, Any]:
        """What the ledger's decision needs."""
        return {
            "body_sha256": self.body_sha256,
            "sequence": self.ack.seq,
            "store_time": self.ack.store_time,
        }

    def contract(self, default: str) -> str:
        """The name of its contract."""
        return self.headers.get("Muster-Contract") or default


def message_of(msg: Msg, group: str, extended: Instant) -> Message | None:
    """A delivery as a Message; None when its reply is no ack reply."""
    ack = parse_ack_reply(msg.reply)
    if ack is None:
        return None
    headers = {name: value for name, value in (msg.headers or {}).items() if name}
    return Message(
        reply=msg.reply,
        ack=ack,
        subject=strip_replay_prefix(ack.stream, group, msg.subject),
        headers=headers,
        body=msg.data,
        event_id=event_id_of(headers, ack.stream, ack.seq, ack.store_time),
        replay_number=replay_number(headers),
        extended=extended,
        since=Instant.now().wall,
    )
