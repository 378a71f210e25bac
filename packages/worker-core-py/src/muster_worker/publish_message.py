"""A message as it goes out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .headers import Headers
from .protocol.headers import header_bytes
from .protocol.names import is_subject
from .protocol.texts import header_text
from .protocol.verdict import Judge
from .publish_error import Ids, PublishError
from .trace import inject

_PRINTABLE = re.compile(r"[ -~]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Said by an argument, or by Muster alone.
_RESERVED = re.compile(
    r"(muster-(event-id$|contract$|dlq-|original-|replay-)|nats-msg-id$)", re.IGNORECASE
)
_MOST_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class OutgoingMessage:
    """Subject, headers and bytes."""

    ids: Ids
    headers: Headers
    body: bytes


def outgoing(
    ids: Ids,
    value: Any,
    *,
    contract: str | Literal[False],
    msg_id: str | Literal[False],
    headers: Mapping[str, str],
    judge: Judge,
    limit_bytes: int,
) -> OutgoingMessage:
    """Raises PublishError `bad_subject`, `bad_header`, `invalid` or `too_large`, the first that
    applies."""
    if not is_subject(ids.subject):
        why = "a subject is made of printable tokens without wildcards"
        raise PublishError("bad_subject", ids, why)
    head = _headers(ids, contract, msg_id, headers)
    body = _body(ids, value)
    verdict = judge(body)
    if verdict.code is not None:
        raise PublishError("invalid", ids, verdict.error)
    head_size = header_bytes(head)
    if head_size + len(body) > limit_bytes:
        sizes = f"{len(body)} bytes and {head_size} of headers"
        why = f"{sizes} are over the server's max_payload of {limit_bytes}"
        raise PublishError("too_large", ids, why)
    return OutgoingMessage(ids=ids, headers=head, body=body)


def _body(ids: Ids, value: Any) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        why = "the value cannot be written as JSON"
        raise PublishError("invalid", ids, why) from error


def _headers(
    ids: Ids,
    contract: str | Literal[False],
    msg_id: str | Literal[False],
    further: Mapping[str, str],
) -> Headers:
    own = {"Muster-Event-Id": ids.event_id, "Muster-Contract": contract, "Nats-Msg-Id": msg_id}
    head: Headers = {}
    for name, value in own.items():
        if value is not False:
            _check_id(ids, name, value)
            head[name] = value
    for name, value in further.items():
        _check(ids, name, value)
        head[name] = value
    inject(head)
    return head


def _check_id(ids: Ids, name: str, value: str) -> None:
    # A reader trims it, and takes an empty one for none: it would be another id there.
    if not value or value != value.strip(" ") or not _PRINTABLE.fullmatch(value):
        why = "is empty, not printable ASCII, or begins or ends with a space"
        raise _bad_header(ids, name, value, why)


def _check(ids: Ids, name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise PublishError("bad_header", ids, f"{header_text(repr(name), _MOST_SHOWN)} is no name")
    if _RESERVED.match(name):
        why = f"header {name} is set by an argument or by Muster itself"
        raise PublishError("bad_header", ids, why)
    if not isinstance(value, str) or not _PRINTABLE.fullmatch(value):
        raise _bad_header(ids, name, value, "is not printable ASCII")


def _bad_header(ids: Ids, name: str, value: Any, why: str) -> PublishError:
    shown = header_text(repr(value), _MOST_SHOWN)
    return PublishError("bad_header", ids, f"the value of {name} {why}: {shown}")
