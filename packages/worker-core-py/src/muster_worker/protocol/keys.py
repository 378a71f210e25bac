"""The keys of the buckets, and the names of the buckets."""

from __future__ import annotations

import hashlib

GROUPS = "MUSTER_GROUPS"
CONTRACTS = "MUSTER_CONTRACTS"
MEMBERS = "MUSTER_MEMBERS"
ATTEMPTS = "MUSTER_ATTEMPTS"
LEDGER = "MUSTER_LEDGER"


def group_key(stream: str, group: str) -> str:
    """Key of a group's spec."""
    return f"{stream}.{group}"


def member_key(stream: str, group: str, member: str) -> str:
    """Key of a member's record."""
    return f"{stream}.{group}.{member}"


def attempts_key(stream: str, group: str, seq: int) -> str:
    """Key of a message's attempts record."""
    return f"{stream}.{group}.{seq}"


def ledger_key(stream: str, group: str, event_id: str) -> str:
    """Key of an event's ledger row; hashed, because keys refuse what ids may hold."""
    return f"{stream}.{group}.{sha256_hex(event_id.encode('utf-8', 'replace'))}"


def sha256_hex(data: bytes) -> str:
    """Lower-case hex of the SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()
