"""The publisher: what it sends, what it refuses, and what it does not know."""

from __future__ import annotations

import asyncio
from typing import Any

import nats
import pytest
from support import CONTRACT, Group, NatsServer, group_on

from muster_worker import (
    Context,
    MusterError,
    Published,
    Publisher,
    PublishError,
    PublishItem,
)


async def test_what_is_published_reaches_the_handler(group: Group) -> None:
    seen: list[Any] = []

    async def handler(order: Any, ctx: Context) -> Any:
        seen.append((order, ctx.event_id, ctx.headers["X-Of"]))

    async with (
        group.worker(handler),
        Publisher(group.nc, CONTRACT, name="n.v1") as publisher,
    ):
        subject = f"{group.prefix}.made"
        first = await publisher.publish(subject, {"n": 1}, event_id="e1", headers={"X-Of": "a"})
        again = await publisher.publish(subject, {"n": 1}, event_id="e1", headers={"X-Of": "a"})
        await group.settled("e1", "done")
    assert (first.stream, first.duplicate, first.event_id) == (group.stream, False, "e1")
    assert (again.sequence, again.duplicate) == (first.sequence, True)
    assert seen == [({"n": 1}, "e1", "a")]


async def test_each_of_many_has_its_own_answer(group: Group) -> None:
    subject = f"{group.prefix}.made"
    items = [PublishItem(subject=subject, value={"n": n}) for n in range(700)]
    items[5] = PublishItem(subject=subject, value={"m": 5}, event_id="bad")
    items[6] = PublishItem(subject="nobody.takes.it", value={"n": 6}, event_id="lost")
    async with Publisher(group.nc, CONTRACT, name="n.v1", max_in_flight=50) as publisher:
        results = await publisher.publish_all(iter(items))
    failed = [result for result in results if isinstance(result, PublishError)]
    assert [(error.event_id, error.code) for error in failed] == [
        ("bad", "invalid"),
        ("lost", "no_stream"),
    ]
    assert "does not match n.v1 at /" in str(failed[0])
    good = [result for result in results if isinstance(result, Published)]
    assert len({result.event_id for result in good}) == 698
    assert (await group.js.stream_info(group.stream)).state.messages == 698


@pytest.mark.parametrize(
    ("subject", "value", "options", "code"),
    [
        ("a.*", {"n": 1}, {}, "bad_subject"),
        ("a b", {"n": 1}, {}, "bad_subject"),
        ("a.b", {"n": 1}, {"event_id": " x"}, "bad_header"),
        ("a.b", {"n": 1}, {"event_id": ""}, "bad_header"),
        ("a.b", {"n": 1}, {"headers": {"Muster-Dlq-Id": "x"}}, "bad_header"),
        ("a.b", {"n": 1}, {"headers": {"nats-msg-id": "x"}}, "bad_header"),
        ("a.b", {"n": 1}, {"headers": {"X": "a\r\nY: b"}}, "bad_header"),
        ("a.b", {"n": float("nan")}, {}, "invalid"),
        ("a.b", {"n": "\ud800"}, {}, "invalid"),
        ("a.b", object(), {}, "invalid"),
        ("a.b", {"n": 1, "text": "x" * 1_100_000}, {}, "too_large"),
    ],
)
async def test_refuses(
    group: Group, subject: str, value: Any, options: dict[str, Any], code: str
) -> None:
    async with Publisher(group.nc, CONTRACT, name="n.v1") as publisher:
        with pytest.raises(PublishError) as raised:
            await publisher.publish(subject, value, **options)
    assert raised.value.code == code


async def test_a_stream_that_is_full_says_so(group: Group) -> None:
    config = (await group.js.stream_info(group.stream)).config
    await group.js.update_stream(config.evolve(max_msgs=1, discard="new"))
    async with Publisher(group.nc, CONTRACT, name="n.v1") as publisher:
        await publisher.publish(f"{group.prefix}.made", {"n": 1})
        with pytest.raises(PublishError) as raised:
            await publisher.publish(f"{group.prefix}.made", {"n": 2})
    assert raised.value.code == "stream_full"
    assert raised.value.error_code == 10077


async def test_what_has_no_answer_is_unknown_and_safe_to_publish_again(
    free_server: NatsServer,
) -> None:
    async with group_on(free_server) as group:
        subject = f"{group.prefix}.made"
        nc = await nats.connect(free_server.url, max_reconnect_attempts=-1, reconnect_time_wait=1)
        async with Publisher(nc, CONTRACT, name="n.v1", timeout_ms=1500) as publisher:
            await publisher.publish(subject, {"n": 1}, event_id="e1")
            free_server.kill()
            with pytest.raises(PublishError) as raised:
                await publisher.publish(subject, {"n": 2}, event_id="e2")
            assert raised.value.code == "unreachable"
            with pytest.raises(PublishError, match="it was not sent"):
                await publisher.publish(subject, {"n": 3}, event_id="e3")
            free_server.start()
            waiting = asyncio.create_task(publisher.publish(subject, {"n": 1}, event_id="e1"))
            # The dedupe window outlives the server.
            assert (await waiting).duplicate
        with pytest.raises(PublishError, match="closed"):
            await publisher.publish(subject, {"n": 3})
        await nc.close()


async def test_the_contract_has_a_name_and_is_a_schema(group: Group) -> None:
    with pytest.raises(MusterError, match="has no title"):
        Publisher(group.nc, CONTRACT)
    with pytest.raises(MusterError, match=r"n\.v1 is no JSON Schema"):
        Publisher(group.nc, {"type": 7}, name="n.v1")
