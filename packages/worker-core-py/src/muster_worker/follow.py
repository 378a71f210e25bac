"""What a member does again and again while it is in its group: it beats, and it follows the
spec."""

from __future__ import annotations

import asyncio

from .base import Base
from .leave import taken
from .life import Life
from .work import Work


async def beat(life: Life, base: Base) -> None:
    """Heartbeats until the worker leaves; while draining too: a record that expires looks like
    a crash."""
    while True:
        await asyncio.sleep(life.config.heartbeat_ms / 1000)
        claim = await base.membership.beat(life.record, life.stop_start)
        if claim == "unreachable":
            life.metrics.heartbeat_failures += 1
        if claim == "taken":
            taken(life)
            return


async def follow(life: Life, base: Base, work: Work) -> None:
    """Follows the spec until the worker leaves: beside the heartbeat, which must not expire for a
    ledger that is slow to open."""
    while True:
        await asyncio.sleep(life.config.heartbeat_ms / 1000)
        try:
            await poll(life, base, work)
        except Exception as error:
            # A fault of the core's own: a member that beats and follows nothing would not show.
            life.log.error("spec cannot be used", code="internal", error=repr(error))


async def poll(life: Life, base: Base, work: Work) -> None:
    """Brings the member up to date with its spec and contracts."""
    before = base.spec.revision
    await base.spec.poll()
    base.hold.adjust()
    spec = base.spec.last
    if spec is None:
        return
    await base.contracts.refresh(spec.contracts)
    if work.mode is None:
        await work.open(spec)
    if base.spec.revision != before:
        life.events.emit("spec", spec)
        _tell_pause(life, spec.paused)
    # Concurrency or pause may have changed.
    work.wake()


def _tell_pause(life: Life, is_paused: bool) -> None:
    if is_paused != life.was_paused:
        life.was_paused = is_paused
        life.log.info("paused" if is_paused else "resumed")
        life.events.emit("paused" if is_paused else "resumed")
