"""Trace context: from the publisher through the handler, by OpenTelemetry's API.

The API is only imported where the application has done so: without an SDK nothing costs, not even
the time of the import.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from .config import CORE_VERSION
from .context import Context
from .errors import Snooze, text_of

if TYPE_CHECKING:
    from opentelemetry.context import Context as TraceContext
    from opentelemetry.trace import Span, Tracer


def inject(headers: dict[str, str]) -> None:
    """Adds the current trace context to headers to publish: `traceparent` and `tracestate`, or what
    else the application's propagator writes. Headers that are there already stay. Does nothing
    without an SDK."""
    if not is_tracing() or "traceparent" in headers:
        return
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    for name, value in carrier.items():
        # Baggage may hold anything, and a trace is no reason for a message not to be sent.
        if value.isascii() and value.isprintable():
            headers.setdefault(name, value)


def is_tracing() -> bool:
    """Whether the application has an OpenTelemetry SDK."""
    return _tracer() is not None


async def with_span(group: str, context: Context, run: Callable[[], Awaitable[Any]]) -> Any:
    """Runs a handler in a span `process <group>` whose parent is the message's publisher.

    The span ends with the handler, or when the message's signal is set: a handler past its deadline
    may never end. An error is recorded and makes the span fail, a Snooze does not.
    """
    tracer = _tracer()
    if tracer is None:
        return await run()
    attributes = {
        "messaging.system": "nats",
        "messaging.destination.name": context.subject,
        "messaging.message.id": context.event_id,
        "muster.attempt": context.attempt,
    }
    parent = _publisher_of(context)
    span = _start(tracer, group, attributes, parent)
    return await _in_span(span, context, run)


async def with_batch_span(
    group: str, messages: Sequence[Context], run: Callable[[], Awaitable[Any]]
) -> Any:
    """As `with_span`, for one call that works on several messages: a trace of its own, linked to
    theirs."""
    tracer = _tracer()
    if tracer is None:
        return await run()
    from opentelemetry.context import Context as TraceContext
    from opentelemetry.trace import Link, get_current_span

    attributes = {"messaging.system": "nats", "messaging.batch.message_count": len(messages)}
    links = []
    for message in messages:
        publisher = get_current_span(_publisher_of(message)).get_span_context()
        if publisher.is_valid:
            links.append(Link(publisher, {"messaging.message.id": message.event_id}))
    span = _start(tracer, group, attributes, TraceContext(), links)
    return await _in_span(span, messages[0], run)


def _tracer() -> Tracer | None:
    # Whoever has set up an SDK has imported this.
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    provider = api.get_tracer_provider()
    if isinstance(provider, (api.ProxyTracerProvider, api.NoOpTracerProvider)):
        return None
    tracer: Tracer = provider.get_tracer("muster", CORE_VERSION)
    return tracer


def _publisher_of(context: Context) -> TraceContext:
    # From an empty context: what is current here is whatever was when the worker connected.
    from opentelemetry import propagate
    from opentelemetry.context import Context as TraceContext

    return propagate.extract(context.headers, TraceContext())


def _start(
    tracer: Tracer,
    group: str,
    attributes: dict[str, Any],
    parent: TraceContext,
    links: Sequence[Any] = (),
) -> Span:
    from opentelemetry.trace import SpanKind

    return tracer.start_span(
        f"process {group}",
        context=parent,
        kind=SpanKind.CONSUMER,
        attributes=attributes,
        links=links,
    )


async def _in_span(span: Span, context: Context, run: Callable[[], Awaitable[Any]]) -> Any:
    from opentelemetry.trace import use_span

    context.signal.on_abort(lambda: _end(span, TimeoutError(context.signal.reason)))
    try:
        with use_span(span, record_exception=False, set_status_on_exception=False):
            result = await run()
    except BaseException as error:
        _end(span, error)
        raise
    _end(span)
    return result


def _end(span: Span, error: BaseException | None = None) -> None:
    from opentelemetry.trace import StatusCode

    if not span.is_recording():
        return
    if error is not None and not isinstance(error, Snooze):
        span.record_exception(error)
        span.set_status(StatusCode.ERROR, text_of(error))
    span.end()
