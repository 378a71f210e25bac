"""Whether the process should be kept, and whether it takes messages."""

from __future__ import annotations

from .record import State


def why_not_live(concurrency: int, late_handlers: int) -> str | None:
    """Why the process should be replaced: every slot is held by a handler past its deadline."""
    if 0 < concurrency <= late_handlers:
        return f"all {concurrency} slots are past their deadline"
    return None


def why_not_ready(
    *, has_joined: bool, is_connected: bool, state: State, is_degraded: bool
) -> list[str]:
    """Every reason why the member takes no messages; empty when it does."""
    reasons = {
        "not connected to NATS": not is_connected,
        "not joined yet": not has_joined,
        "the group has no spec that can be used": state == "starting",
        "draining": state == "draining",
        "degraded: a dependency does not answer, or too many attempts fail": is_degraded,
    }
    return [why for why, is_true in reasons.items() if is_true]
