"""The identities of an event and of its dead letter."""

from __future__ import annotations

from collections.abc import Mapping

from .keys import sha256_hex
from .texts import header_text


def event_id_of(headers: Mapping[str, str], stream: str, seq: int, store_time: str) -> str:
    """The event's business identity; an empty header is an absent one.

    Headers in their text form: a dead letter carries them so, and its replay is the same event.
    """
    return (
        header_text(headers.get("Muster-Event-Id", ""), None)
        or header_text(headers.get("Nats-Msg-Id", ""), None)
        or f"{stream}.{seq}.{store_time}"
    )


def dead_letter_id(group: str, event_id: str, seq: int, store_time: str) -> str:
    """The id of a dead letter, which is also its `Nats-Msg-Id`.

    With the store time: a stream that was made again gives its sequences a second time.
    """
    digest = sha256_hex(event_id.encode("utf-8", "replace"))
    return f"dl.{group}.{digest[:24]}.{seq}.{store_time}"


def replay_msg_id(dead_letter: str) -> str:
    """The `Nats-Msg-Id` of a replay of `dead_letter`."""
    return f"replay.{dead_letter}"
