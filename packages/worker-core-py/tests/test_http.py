"""What the endpoint says, and whom it lets in."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from support import Group, free_port, until

from muster_worker import Context, MusterError, PermanentError, Worker
from muster_worker.exposition import BUCKET_BOUNDS


async def echo(order: Any, ctx: Context) -> Any:
    if order["n"] < 0:
        raise PermanentError("negative")
    return order


async def ask(worker: Worker, path: str, method: str = "GET") -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", worker.http_port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


async def test_health_follows_the_members_life(group: Group) -> None:
    kv = await group.js.key_value("MUSTER_GROUPS")
    await kv.delete(f"{group.stream}.g1")
    async with group.worker(echo, http_port=0) as worker:
        assert (await ask(worker, "/livez")) == (200, '{"live":true}')
        status, body = await ask(worker, "/readyz")
        assert status == 503
        assert json.loads(body) == {
            "ready": False,
            "why": ["the group has no spec that can be used"],
        }
        await group.put_spec()

        async def ready() -> bool:
            return (await ask(worker, "/readyz")) == (200, '{"ready":true}')

        await until("ready", ready)
        assert await ask(worker, "/readyz", "HEAD") == (200, "")
        assert (await ask(worker, "/other"))[0] == 404
        assert (await ask(worker, "/metrics", "POST"))[0] == 405
    [line] = group.lines("listening")
    assert (line["http_host"], line["http_port"]) == ("127.0.0.1", worker.http_port)


async def test_is_not_live_when_every_slot_is_past_its_deadline(group: Group) -> None:
    await group.put_spec(concurrency=1, timeout_ms=50)
    go_on = asyncio.Event()

    async def handler(order: Any, ctx: Context) -> Any:
        await go_on.wait()

    async with group.worker(handler, http_port=0) as worker:
        await group.publish()

        async def stuck() -> bool:
            return (await ask(worker, "/livez"))[0] == 503

        await until("stuck", stuck)
        go_on.set()

        async def live() -> bool:
            return (await ask(worker, "/livez"))[0] == 200

        await until("live", live)


async def test_metrics_tell_what_was_done(group: Group) -> None:
    async with group.worker(echo, member="m1", http_port=0) as worker:
        for n in (1, 2, -1):
            await group.publish(n)
        await group.empty()
        status, text = await ask(worker, "/metrics")
    labels = f'group="g1",language="py",member="m1",%sstream="{group.stream}"'
    samples = dict(re.findall(r"^(.+) ([0-9.e+-]+)$", text, re.MULTILINE))

    def sample(name: str, own: str = "") -> float:
        return float(samples[f"{name}{{{labels % (own and own + ',')}}}"])

    assert status == 200
    assert sample("muster_deliveries_total", 'outcome="done"') == 2
    assert sample("muster_deliveries_total", 'outcome="lost"') == 0
    assert sample("muster_dead_letters_total", 'reason="permanent"') == 1
    assert sample("muster_handler_seconds_count", 'outcome="returned"') == 2
    assert sample("muster_settle_seconds_count") == 3
    assert sample("muster_ledger_seconds_count", 'op="look_up"') == 3
    assert sample("muster_concurrency") == 4
    assert sample("muster_ready") == 1
    assert sample("muster_spec_revision") > 0
    bounds = re.findall(r'muster_settle_seconds_bucket\{.*le="([^"]+)"', text)
    assert bounds == [*map(str, BUCKET_BOUNDS), "+Inf"]
    assert BUCKET_BOUNDS == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)
    assert "# TYPE muster_deliveries_total counter" in text


async def test_a_taken_port_has_a_code(group: Group) -> None:
    async with group.worker(echo, http_port=0) as worker:
        second = group.worker(echo, http_port=worker.http_port)
        with pytest.raises(MusterError, match="MUSTER_HTTP_PORT") as raised:
            await second.start()
        assert raised.value.code == "port_in_use"
        await second.drain()
    assert free_port() > 0


async def test_idle_connections_keep_no_probe_out(group: Group) -> None:
    async with group.worker(echo, http_port=0) as worker:
        port = worker.http_port
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(110)]
        assert (await ask(worker, "/livez"))[0] == 200
        for _, writer in idle:
            writer.close()
