"""Which refusals of the server a member cannot work with."""

from __future__ import annotations

import re

from .config import Config


def forbidden_subject(refusal: str) -> tuple[str, str, str | None] | None:
    """`publish` or `subscription`, the subject, and the queue if there is one, of a server's
    "permissions violation"."""
    if "permissions violation" not in refusal.lower():
        return None
    pattern = r'(publish|subscription) to "(\S+)"(?: using queue "(\S+)")?'
    match = re.search(pattern, refusal, re.IGNORECASE)
    return (match[1].lower(), match[2], match[3]) if match else None


def is_needed(refusal: str, config: Config) -> bool:
    """Whether a member cannot work without what the server refused it: what it subscribes to and
    publishes by itself.

    Not what a handler does, nor what came with a message: who sends one could otherwise end the
    member.
    """
    forbidden = forbidden_subject(refusal)
    if forbidden is None:
        return False
    operation, subject, queue = forbidden
    tokens = subject.split(".")

    def begins(*start: str) -> bool:
        return len(tokens) >= len(start) and all(
            a in ("*", b) for a, b in zip(start, tokens, strict=False)
        )

    if operation == "subscription":
        return (
            queue == config.group
            or begins(*config.inbox_prefix.split("."))
            or begins("muster", "member", config.stream, config.group)
            or begins("muster", "push", config.stream, config.group)
        )
    return (
        begins(*config.api_prefix.split("."))
        or subject.startswith("$KV.MUSTER_")
        or begins("muster", "dlq", config.stream, config.group)
        or begins("$JS", "ACK", config.stream, config.group)
        or begins("$JS", "ACK", "*", "*", config.stream, config.group)
    )
