"""The handlers of the conformance worker."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ..context import Context
from ..errors import Aborted, PermanentError, RetryableError, Snooze

HEADER = "Muster-Conformance"
_INSERT = "insert into muster_conformance_effects(event_id, member) values ($1, $2)"
_ADD = (
    "insert into muster_conformance_balances as b (customer, amount) values ($1, $2)"
    " on conflict (customer) do update set amount = b.amount + excluded.amount"
)


class Directive(NamedTuple):
    """What the header tells the handler to do."""

    verb: str
    values: Mapping[str, str]


def read_directive(header: str | None) -> Directive:
    """Reads `<verb>[;key=value…]`; no header means `return`."""
    verb, *pairs = [part.strip() for part in (header or "return").split(";")]
    return Directive(verb, dict(pair.partition("=")[::2] for pair in pairs if "=" in pair))


async def handle(body: Any, ctx: Context) -> Any:
    """Obeys the message's directive."""
    verb, values = read_directive(ctx.headers.get(HEADER))
    if _applies(values, ctx):
        result = await _obey(verb, values, ctx)
        if result is not None:
            return result
    if "balance" in values:
        await ctx.tx.query(_ADD, [body["customer"], body["amount"]])
    return _result_of(ctx)


async def handle_batch(messages: Sequence[Context], ctx: Context) -> list[Any]:
    """The same for several messages at once: each message's directive makes its outcome."""

    async def one(message: Context) -> Any:
        try:
            result = await handle(message.value, message)
        except Exception as error:
            return error
        return {**result, "batch": len(messages)} if isinstance(result, dict) else result

    return await asyncio.gather(*map(one, messages))


def kill_self() -> None:
    """Ends this process as a crash does."""
    os.kill(os.getpid(), signal.SIGKILL)
    # Nothing more may happen until the signal has taken effect.
    time.sleep(60)


def _applies(values: Mapping[str, str], ctx: Context) -> bool:
    """Whether it is one of the attempts, turns and replays that the verb is for."""

    def up_to(name: str) -> float:
        return float(values.get(name, "inf"))

    return (
        ctx.attempt <= up_to("times")
        and len(ctx.history) < up_to("turns")
        and ctx.replay_number < up_to("replays")
    )


def _result_of(ctx: Context) -> dict[str, Any]:
    return {"event_id": ctx.event_id, "subject": ctx.subject, "attempt": ctx.attempt}


async def _add_effect(ctx: Context) -> None:
    await ctx.tx.query(_INSERT, [ctx.event_id, os.environ.get("WORKER_ID", "")])


async def _add_again(ctx: Context, times: int) -> None:
    """So many times more, whatever became of the times before; fails as the last one does."""
    for _ in range(times - 1):
        with suppress(Exception):
            await _add_effect(ctx)
    if times > 0:
        await _add_effect(ctx)


async def _obey(verb: str, values: Mapping[str, str], ctx: Context) -> Any:
    """Does what the verb says; gives a result where the verb is about results."""
    text = values.get("text", verb)
    delay_ms = float(values["delay_ms"]) if "delay_ms" in values else None
    match verb:
        case "return":
            return None
        case "permanent":
            raise PermanentError(text)
        case "retryable":
            raise RetryableError(text, delay_ms=delay_ms)
        case "snooze":
            raise Snooze(delay_ms or 0)
        case "hang":
            await ctx.signal.wait()
            raise Aborted(text)
        case "block":
            await asyncio.sleep(float(values.get("ms", "0")) / 1000)
            return None
        case "exit":
            kill_self()
        case "result":
            size = int(values.get("bytes", "0"))
            return float("nan") if size < 0 else "x" * max(0, size - 2)
        case "sql":
            await _add_effect(ctx)
            await asyncio.sleep(float(values.get("ms", "0")) / 1000)
            await _add_again(ctx, int(values.get("again", "0")))
            return None
        case _:
            raise PermanentError(f"unknown conformance verb {verb}")
    return None
