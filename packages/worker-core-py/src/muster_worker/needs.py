"""Which refusals of the server a member cannot work with."""

from __future__ import annotations

import re

from .config import Config


def forbidden_subject(refusal: str) -> tuple[str, str] | None:
    """`publish` or `subscription`, and the subject, of a server's "permissions violation"."""
    if "permissions violation" not in refusal.lower():
        return None
    match = re.search(r'(publish|subscription) to "(\S+)"', refusal, re.IGNORECASE)
    return (match[1].lower(), match[2]) if match else None


def is_needed(refusal: str, config: Config) -> bool:
    """Whether a member cannot work without what the server refused it: all that it subscribes to,
    and what it publishes by itself.

    Not what came with a message: who sends one could otherwise end the member.
    """
    forbidden = forbidden_subject(refusal)
    if forbidden is None:
        return False
    operation, subject = forbidden
    tokens = subject.split(".")

    def begins(*start: str) -> bool:
        return len(tokens) >= len(start) and all(
            a in ("*", b) for a, b in zip(start, tokens, strict=False)
        )

    return (
        operation == "subscription"
        or begins(*config.api_prefix.split("."))
        or subject.startswith("$KV.MUSTER_")
        or begins("muster", "dlq", config.stream, config.group)
        or begins("$JS", "ACK", config.stream, config.group)
        or begins("$JS", "ACK", "*", "*", config.stream, config.group)
    )
