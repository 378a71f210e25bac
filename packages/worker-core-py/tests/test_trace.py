"""Trace context from the publisher to the handler, with an SDK in a process of its own."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support import Group

from muster_worker import Context, PermanentError, Snooze
from muster_worker.trace import inject

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
exporter = InMemorySpanExporter()


@pytest.fixture(autouse=True, scope="module")
def sdk() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


@pytest.fixture(autouse=True)
def no_spans() -> None:
    exporter.clear()


async def test_the_handler_runs_in_a_span_of_its_publisher(group: Group) -> None:
    inside: list[Any] = []

    async def handler(_: Any, ctx: Context) -> Any:
        inside.append(trace.get_current_span().get_span_context())
        headers: dict[str, str] = {}
        inject(headers)
        inside.append(headers["traceparent"])

    async with group.worker(handler):
        event_id = await group.publish(1, traceparent=PARENT)
        await group.settled(event_id, "done")
    [span] = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("process g1", trace.SpanKind.CONSUMER)
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert dict(span.attributes or {}) == {
        "messaging.system": "nats",
        "messaging.destination.name": f"{group.prefix}.made",
        "messaging.message.id": event_id,
        "muster.attempt": 1,
    }
    assert inside[0].span_id == span.context.span_id
    assert inside[1] == f"00-{TRACE}-{span.context.span_id:016x}-01"


async def test_an_error_fails_the_span_and_a_snooze_does_not(group: Group) -> None:
    async def handler(order: Any, ctx: Context) -> Any:
        if order["n"] == 1:
            raise PermanentError("negative")
        if not ctx.history:
            raise Snooze(10)

    async with group.worker(handler):
        await group.publish(1, traceparent="nonsense")
        [letter] = await group.dead_letters()
        await group.settled(await group.publish(2), "done")
    spans = exporter.get_finished_spans()
    assert [span.status.is_ok for span in spans] == [False, True, True]
    assert spans[0].status.description == "negative"
    assert spans[0].parent is None
    assert letter.headers["traceparent"] == "nonsense"


async def test_a_batch_links_to_its_publishers(group: Group) -> None:
    await group.put_spec(delivery={"mode": "batch", "size": 2, "wait_ms": 200})

    async def handler(messages: Any, ctx: Context) -> None:
        """Does nothing."""

    async with group.worker(None, {"batch_handler": handler}):
        event_id = await group.publish(1, traceparent=PARENT)
        await group.settled(event_id, "done")
    [span] = exporter.get_finished_spans()
    [link] = span.links
    assert f"{link.context.trace_id:032x}" == TRACE
    assert dict(link.attributes or {}) == {"messaging.message.id": event_id}
