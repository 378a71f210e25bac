"""Runs handlers with a deadline and an abort signal."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, Protocol

from .context import Context, ContextParts, Handled
from .deadlines import Deadlines

Handler = Callable[[Any, Context], Any]
"""The work: returns a JSON result, or raises PermanentError, RetryableError or Snooze; any other
error is retried. A plain function runs in a thread, so that it may block."""

AsyncHandler = Callable[[Any, Context], Awaitable[Any]]

HandlerOutcome = Literal["returned", "failed", "deadline"]

# Made when they are needed, and as many as there are handlers at once.
_MOST_THREADS = 10_000


class RunListener(Protocol):
    """Told how a start of the handler went: one of the first two first, the late one perhaps after
    the deadline. `error` None: it returned `value`."""

    def on_end(self, value: Any, error: BaseException | None) -> None:
        """The handler ended within its deadline."""

    def on_deadline(self, timeout_ms: int) -> None:
        """The deadline passed first; the handler still runs."""

    def on_late_end(self, value: Any, error: BaseException | None) -> None:
        """The handler ended after its deadline."""


class Handlers:
    """Starts handlers, each in a task of its own; they are never cancelled before the very end."""

    def __init__(
        self,
        *,
        parts: ContextParts,
        timeout_ms: Callable[[], int],
        on_handled: Callable[[float, HandlerOutcome], None],
    ) -> None:
        self.parts = parts
        self._timeout_ms = timeout_ms
        self._on_handled = on_handled
        self._deadlines = Deadlines()
        self._runs: set[_Run] = set()
        self._late = 0

    @property
    def count(self) -> int:
        """Handlers that run, those past their deadline included."""
        return len(self._runs)

    @property
    def late_count(self) -> int:
        """Handlers that run past their deadline."""
        return self._late

    def start(
        self, handler: AsyncHandler, value: Any, delivery: Handled, listener: RunListener
    ) -> None:
        """Starts a handler for a delivery."""
        context = Context(delivery, self.parts, value)
        self._start(_Run(self, self._timeout_ms(), (context,), listener), handler, value, context)

    def start_batch(
        self,
        handler: Callable[[Sequence[Context], Context], Awaitable[Any]],
        contexts: Sequence[Context],
        listener: RunListener,
    ) -> None:
        """Starts a call on several messages, with the context of the first as its own."""
        run = _Run(self, self._timeout_ms(), contexts, listener)
        self._start(run, handler, contexts, contexts[0])

    def abort(self, reason: str) -> None:
        """Sets the signals of all handlers that run."""
        for run in list(self._runs):
            run.abort(reason)

    async def close(self, patience_s: float = 1.0) -> None:
        """Cancels what still runs; nothing is settled by what comes of it any more."""
        self._deadlines.close()
        tasks = set()
        for run in self._runs:
            run.is_given_up = True
            if run.task is not None and run.task is not asyncio.current_task():
                run.task.cancel()
                tasks.add(run.task)
        if tasks:
            await asyncio.wait(tasks, timeout=patience_s)

    def _start(self, run: _Run, call: Callable[..., Awaitable[Any]], *args: Any) -> None:
        self._runs.add(run)
        self._deadlines.add(run)
        # Named: the loop would make up a name for each.
        run.task = asyncio.Task(run.work(call, *args), loop=self.parts.loop, name="muster-handler")

    def ended(self, run: _Run, outcome: HandlerOutcome) -> None:
        """A run has ended."""
        self._runs.discard(run)
        if run.is_late:
            self._late -= 1
        else:
            self._deadlines.remove(run)
            self._on_handled(time.monotonic() - run.started_at, outcome)

    def late(self, run: _Run) -> None:
        """A run has missed its deadline."""
        self._late += 1
        self._on_handled(time.monotonic() - run.started_at, "deadline")


class _Run:
    """One start of the handler."""

    __slots__ = (
        "_contexts",
        "_handlers",
        "_listener",
        "_timeout_ms",
        "due_at",
        "is_given_up",
        "is_late",
        "started_at",
        "task",
    )

    def __init__(
        self,
        handlers: Handlers,
        timeout_ms: int,
        contexts: Sequence[Context],
        listener: RunListener,
    ) -> None:
        self._handlers = handlers
        self._timeout_ms = timeout_ms
        self._contexts = contexts
        self._listener = listener
        self.started_at = time.monotonic()
        self.due_at = self.started_at + timeout_ms / 1000
        self.is_late = False
        self.is_given_up = False
        self.task: asyncio.Task[None] | None = None

    async def work(self, call: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Calls the handler and tells how it ended. It never raises."""
        value, thrown = None, None
        try:
            value = await call(*args)
        except (Exception, SystemExit, KeyboardInterrupt, asyncio.CancelledError) as error:
            thrown = error
        if self.is_given_up:
            return
        self._handlers.ended(self, "returned" if thrown is None else "failed")
        if self.is_late:
            self._listener.on_late_end(value, thrown)
        else:
            self._listener.on_end(value, thrown)

    def on_due(self) -> None:
        """The deadline has come."""
        # Decided before the abort: a handler that ends because of it has still missed its deadline.
        self.is_late = True
        self._handlers.late(self)
        self._listener.on_deadline(self._timeout_ms)
        self.abort(f"handler exceeded {self._timeout_ms} ms")

    def abort(self, reason: str) -> None:
        """Sets the signal."""
        for context in self._contexts:
            context.abort(reason)


class Threads:
    """Threads for handlers that block, made when they are needed."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def run_in(self, handler: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """The handler as a coroutine function: as it is where it is one, else run in a thread."""
        if is_async(handler):
            return handler

        async def in_thread(*args: Any) -> Any:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_MOST_THREADS, "muster-handler")
            # As asyncio.to_thread does it, which has too few threads of its own.
            context = contextvars.copy_context()
            call = partial(context.run, handler, *args)
            result = await asyncio.get_running_loop().run_in_executor(self._pool, call)
            return await result if inspect.isawaitable(result) else result

        return in_thread

    def close(self) -> None:
        """Waits for none of them."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def is_async(handler: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine, as far as can be told before."""
    while isinstance(handler, partial):
        handler = handler.func
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004
    )
