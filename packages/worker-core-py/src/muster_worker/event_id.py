"""New event ids, for what has no identity from its business."""

from __future__ import annotations

import os
import time
import uuid


def new_event_id() -> str:
    """A UUIDv7: in the order of time, and unique."""
    random = int.from_bytes(os.urandom(10), "big")
    time_ms = time.time_ns() // 1_000_000
    bits = (time_ms << 80) | (0x7 << 76) | ((random >> 68 & 0xFFF) << 64)
    return str(uuid.UUID(int=bits | (0b10 << 62) | (random & (1 << 62) - 1)))
