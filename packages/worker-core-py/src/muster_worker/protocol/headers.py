"""The headers of a dead letter, made of the original ones and our own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .ids import dead_letter_id
from .texts import fingerprint, header_text

MAX_HEADER_BYTES = 65_535
"""The largest header block of a JetStream message: beyond it no stream takes the dead letter."""

Headers = dict[str, str]

# What every client publishes: the tokens of HTTP. nats.go refuses all other names.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ORIGINAL = "Muster-Original-"


def replay_number(headers: Mapping[str, str]) -> int:
    """How often the message was replayed, as it says; anything odd counts as 0."""
    text = headers.get("Muster-Replay-Number", "")
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


@dataclass(frozen=True, kw_only=True)
class DeadLetterFacts:
    """What a dead letter tells about its message. Times are RFC 3339."""

    stream: str
    seq: int
    store_time: str
    subject: str
    group: str
    reason: str
    error_class: str
    error: str
    attempts: int
    first_at: str
    last_at: str
    member: str
    language: str
    version: str
    contract: str
    event_id: str
    replay_number: int
    history: list[dict[str, Any]]


def dead_letter_headers(
    original: Mapping[str, str], facts: DeadLetterFacts, limit_bytes: int
) -> Headers:
    """The header set of a dead letter, cut to `limit_bytes`: history first, then the copies."""
    copies, ours = _copies(original), _ours(facts)
    room = min(limit_bytes, MAX_HEADER_BYTES) - header_bytes(ours)
    size = sum(map(_entry_bytes, copies.items()))
    history = _fitting_history(facts.history, room - size)
    if history is not None:
        return {**copies, **ours, "Muster-Dlq-History": history}
    # Ties by name, the greater first.
    for name, value in sorted(copies.items(), key=lambda h: (_entry_bytes(h), h[0]), reverse=True):
        if size <= room:
            break
        del copies[name]
        size -= _entry_bytes((name, value))
    return {**copies, **ours}


def _fitting_history(history: list[dict[str, Any]], room: int) -> str | None:
    for first in range(len(history)):
        text = json.dumps(history[first:], ensure_ascii=True, separators=(",", ":"))
        if _entry_bytes(("Muster-Dlq-History", text)) <= room:
            return text
    return None


def header_bytes(headers: Mapping[str, str]) -> int:
    """The size of the header block on the wire."""
    return 12 + sum(map(_entry_bytes, headers.items()))


def _entry_bytes(header: tuple[str, str]) -> int:
    name, value = header
    return len(name.encode()) + len(value.encode()) + 4


def _copies(original: Mapping[str, str]) -> Headers:
    copies: Headers = {}
    for name, value in original.items():
        lower = name.lower()
        # A forged fact of ours must not survive; what begins Nats- the server would obey.
        if not _NAME.fullmatch(name) or lower.startswith("muster-dlq-"):
            continue
        if lower.startswith("nats-"):
            renamed = _ORIGINAL + name
            if renamed not in original:
                copies[renamed] = header_text(value, None)
        else:
            copies[name] = header_text(value, None)
    return copies


def _ours(facts: DeadLetterFacts) -> Headers:
    letter_id = dead_letter_id(facts.group, facts.event_id, facts.seq, facts.store_time)
    return {
        "Nats-Msg-Id": letter_id,
        "Muster-Dlq-Id": letter_id,
        "Muster-Dlq-Stream": facts.stream,
        "Muster-Dlq-Seq": str(facts.seq),
        "Muster-Dlq-Store-Time": facts.store_time,
        "Muster-Dlq-Subject": header_text(facts.subject),
        "Muster-Dlq-Group": facts.group,
        "Muster-Dlq-Reason": facts.reason,
        "Muster-Dlq-Error-Class": header_text(facts.error_class),
        "Muster-Dlq-Error": header_text(facts.error),
        "Muster-Dlq-Attempts": str(facts.attempts),
        "Muster-Dlq-First-At": facts.first_at,
        "Muster-Dlq-Last-At": facts.last_at,
        "Muster-Dlq-Member": facts.member,
        "Muster-Dlq-Language": facts.language,
        "Muster-Dlq-Version": header_text(facts.version),
        "Muster-Dlq-Contract": header_text(facts.contract),
        "Muster-Dlq-Event-Id": header_text(facts.event_id),
        "Muster-Dlq-Replay-Number": str(facts.replay_number),
        "Muster-Dlq-Fingerprint": fingerprint(facts.reason, facts.error),
    }
