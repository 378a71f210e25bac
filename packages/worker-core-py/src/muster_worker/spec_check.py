"""What a spec asks that this process cannot do, and what it does not promise."""

from __future__ import annotations

from .config import Config
from .protocol.spec import GroupSpec


def why_unsupported(spec: GroupSpec, config: Config) -> str | None:
    """Why this process cannot work by the spec, with what to do; None when it can."""
    if spec.delivery.mode == "push" and config.api_prefix != "$JS.API":
        return (
            "a push group receives nothing across accounts (MUSTER_API_PREFIX is set); "
            "use mode pull or batch"
        )
    if spec.ledger == "postgres" and config.database_url is None:
        return "ledger postgres needs DATABASE_URL"
    return None


def what_is_not_promised(spec: GroupSpec) -> list[tuple[str, str]]:
    """What the group promises less than `pull` with a ledger does: code and limit. Said once at
    start."""
    mode, limits = spec.delivery.mode, []
    if mode == "queue":
        limits.append(
            (
                "at_most_once",
                "what a killed process has in hand is lost, nothing is retried, "
                "a pause lets messages pass unseen",
            )
        )
    if mode == "push":
        limits.append(
            (
                "unbounded_hold",
                "only max_ack_pending bounds what the server pushes to a member; "
                "one that is stuck can hold it all",
            )
        )
    if spec.ledger == "none" and mode != "queue":
        limits.append(
            ("no_ledger", "at least once: the handler has to be idempotent by the event id")
        )
    return limits
