"""How a member leaves: why it does so by itself, what it still brings to an end, and what it
closes."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from .life import Life, WorkerEnd
from .needs import is_needed


def taken(life: Life) -> None:
    """Another process has our id."""
    life.log.error(
        "id taken", code="id_taken", error="another process runs under this id; set WORKER_ID"
    )
    life.is_taken = True
    drain(life)


def forbidden(life: Life, refusal: str) -> None:
    """The server refused a publish or a subscription."""
    if is_needed(refusal, life.config):
        refused(life, "not permitted", "not_permitted", refusal)
    else:
        life.log.error("server error", code="nats_error", error=refusal)


def refused(life: Life, message: str, code: str, error: str) -> None:
    """Without what the server refuses there is no work: a process that ends says so more clearly
    than one that waits."""
    if not life.is_refused:
        life.log.error(message, code=code, error=error)
    life.is_refused = True
    drain(life)


def drain(life: Life) -> asyncio.Task[None]:
    """Stops taking messages, lets handlers finish within the grace, leaves. Idempotent."""
    if life.draining is None:
        life.draining = asyncio.create_task(_finish_and_leave(life))
    return life.draining


async def _finish_and_leave(life: Life) -> None:
    life.log.info("draining", state="draining")
    life.stop_start.set()
    # A claim on its way would otherwise be made after the record was deleted.
    if life.starting is not None:
        with suppress(Exception):
            await life.starting
    end: WorkerEnd = "drained"
    if life.work is not None and life.base is not None:
        # Handlers may still need the connection: returning what was not started comes before its
        # end.
        work = life.base.tasks.start(life.work.drain())
        killed = asyncio.create_task(life.ended.wait())
        grace_s = life.config.grace_ms / 1000
        await asyncio.wait({work, killed}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
        if not work.done():
            end = "grace"
            life.work.abort("the grace of the drain is over")
    await close(life)
    life.tell_end("taken" if life.is_taken else "refused" if life.is_refused else end)


async def close(life: Life) -> None:
    """Leaves the group and ends the connection. Idempotent."""
    if life.closing is None:
        life.closing = asyncio.create_task(_close(life))
    await asyncio.shield(life.closing)


async def _close(life: Life) -> None:
    life.stop_start.set()
    base = life.base
    for loop in life.loops:
        loop.cancel()
    await asyncio.gather(*life.loops, return_exceptions=True)
    if base is not None:
        if not life.is_taken:
            await base.membership.leave()
        if life.work is not None:
            await life.work.close()
        await base.close()
        life.log.info("left")
    life.threads.close()
    if life.http is not None:
        await life.http.close()
    life.events.emit("left")
