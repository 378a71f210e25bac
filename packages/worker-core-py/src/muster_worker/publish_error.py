"""Why a message was not accepted, or that this is not known."""

from __future__ import annotations

from typing import NamedTuple

from .errors import MusterError
from .protocol.texts import header_text
from .pub_ack import PubAck

_TOO_LARGE = 10054
# Limits of the stream (10077), and of storage, memory and the account.
_FULL = (10077, 10047, 10028, 10023, 10002)
# No leader, or the same message is being stored at this moment: it may be in the stream a moment
# later.
_TEMPORARY = (10008, 10009, 10158, 10167)
_ADVICE = "it may have been accepted: publish the same again with the same event id"


class Ids(NamedTuple):
    """Which message it is."""

    subject: str
    event_id: str


class PublishError(MusterError):
    """`code` says what became of the message:

    - `invalid`: the value does not match the contract, the text says where
    - `bad_subject`, `bad_header`: it cannot be sent so
    - `too_large`: over the server's max_payload or the stream's max_msg_size
    - `no_stream`: no stream takes the subject
    - `stream_full`: a limit of the stream or of the account is reached
    - `refused`: the server said no for another reason, see `error_code`
    - `unreachable`: no connection or no answer; **it may have been accepted**. Publish the same
      again with the same event id
    - `closed`: the publisher was drained
    """

    def __init__(self, code: str, ids: Ids, why: str, error_code: int | None = None) -> None:
        what = f"publish of {header_text(ids.event_id)} to {header_text(ids.subject)}"
        super().__init__(code, f"{what}: {why}")
        self.event_id = ids.event_id
        """Of the message, also where it was made by the publisher."""
        self.error_code = error_code
        """JetStream's `err_code`, where the server answered with one."""


def refusal(ids: Ids, ack: PubAck) -> PublishError:
    """The error for what a stream answered."""
    why, code = f"{ack.error} (err_code {ack.error_code})", ack.error_code
    if code == _TOO_LARGE:
        return PublishError("too_large", ids, f"over the stream's max_msg_size: {why}", code)
    if code in _FULL:
        return PublishError("stream_full", ids, why, code)
    if code in _TEMPORARY:
        return PublishError("unreachable", ids, f"{why}; {_ADVICE}", code)
    return PublishError("refused", ids, why, code)


def unknown_outcome(ids: Ids, why: str) -> PublishError:
    """The error where nothing is known of the message."""
    return PublishError("unreachable", ids, f"{why}; {_ADVICE}")


def not_sent(ids: Ids, why: str) -> PublishError:
    """The error where the message has not left the process."""
    return PublishError("unreachable", ids, f"{why}; it was not sent: publish it again")
