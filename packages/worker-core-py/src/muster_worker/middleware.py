"""Concerns around the handler, for every message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from .context import Context
from .errors import MusterError
from .handle import AsyncHandler

Next = Callable[[], Awaitable[Any]]

Middleware = Callable[[Any, Context, Next], Awaitable[Any]]
"""`async def (value, ctx, call_next)`: what is before `await call_next()` runs before the handler,
what is after it afterwards. What it returns is the result, what it raises is the failure, by the
handler's rules. It may return or raise without calling `call_next`, which passes the handler over.

`call_next` runs the rest once and gives its result; a second call raises MusterError `next_twice`.
"""


def compose(middleware: Sequence[Middleware], handler: AsyncHandler) -> AsyncHandler:
    """The handler with middleware around it, the first one outermost. Without any it is the handler
    itself."""
    for outer in reversed(middleware):
        handler = _wrap(outer, handler)
    return handler


def _wrap(outer: Middleware, inner: AsyncHandler) -> AsyncHandler:
    async def wrapped(value: Any, context: Context) -> Any:
        was_called = False

        async def call_next() -> Any:
            nonlocal was_called
            if was_called:
                raise MusterError(
                    "next_twice", "a middleware called next a second time for one message"
                )
            was_called = True
            return await inner(value, context)

        return await outer(value, context, call_next)

    return wrapped
