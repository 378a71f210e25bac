"""The conformance worker: `python -m muster_worker.conformance`. Its handler obeys a header."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

from .config import CORE_VERSION
from .errors import Aborted, PermanentError, RetryableError, Snooze
from .message import Context
from .run import run

HEADER = "Muster-Conformance"
KILL_AT = "MUSTER_CONFORMANCE_KILL_AT"


async def handle(_: Any, ctx: Context) -> dict[str, Any]:
    """Does what `Muster-Conformance: <verb>[;key=value…]` says."""
    verb, *pairs = ctx.headers.get(HEADER, "return").split(";")
    options = dict(pair.partition("=")[::2] for pair in pairs)
    text = options.get("text", verb)
    if ctx.attempt <= int(options.get("times", ctx.attempt)):
        await _obey(verb.strip(), options, text, ctx)
    return {"event_id": ctx.event_id, "subject": ctx.subject}


async def _obey(verb: str, options: dict[str, str], text: str, ctx: Context) -> None:
    delay_ms = int(options["delay_ms"]) if "delay_ms" in options else None
    match verb:
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
            await asyncio.sleep(int(options.get("ms", "0")) / 1000)
        case "exit":
            _kill()
        case _:
            return


def _kill_at(step: str) -> None:
    if os.environ.get(KILL_AT) == step:
        _kill()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    # Nothing more may happen until the signal has taken effect.
    time.sleep(60)


if __name__ == "__main__":
    run(handle, version=CORE_VERSION, on_step=_kill_at)
