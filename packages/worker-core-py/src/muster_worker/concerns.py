"""The handler with the middleware around it and a span around both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .batch import BatchHandler
from .context import Context
from .handle import Handler, Threads
from .middleware import Middleware, compose
from .mode import AnyHandler
from .trace import is_tracing, with_batch_span, with_span


def with_concerns(
    *,
    handler: Handler | None,
    batch_handler: BatchHandler | None,
    middleware: Sequence[Middleware],
    group: str,
    threads: Threads,
) -> AnyHandler:
    """A plain function is run in a thread; without an SDK no span costs anything."""
    if batch_handler is not None:
        run_batch = threads.run_in(batch_handler)

        async def handle_batch(messages: Sequence[Context], context: Context) -> Any:
            if not is_tracing():
                return await run_batch(messages, context)
            return await with_batch_span(group, messages, lambda: run_batch(messages, context))

        return AnyHandler(batch_handler=handle_batch)
    assert handler is not None
    run = compose(middleware, threads.run_in(handler))

    async def handle(value: Any, context: Context) -> Any:
        if not is_tracing():
            return await run(value, context)
        return await with_span(group, context, lambda: run(value, context))

    return AnyHandler(handler=handle)
