"""A member's life: joining, the spec, outages, draining."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support import Group, NatsServer, group_on, until

from muster_worker import Context, PermanentError, follow
from muster_worker.protocol.keys import MEMBERS, member_key


async def echo(order: Any, ctx: Context) -> Any:
    return {"event_id": ctx.event_id, "subject": ctx.subject}


async def record(group: Group, member: str) -> dict[str, Any] | None:
    kv = await group.js.key_value("MUSTER_MEMBERS")
    try:
        entry = await kv.get(member_key(group.stream, group.group, member))
    except Exception:
        return None
    return json.loads(entry.value) if entry.value else None


async def test_announces_itself_and_leaves(group: Group) -> None:
    async with group.worker(echo, member="m1"):

        async def running() -> Any:
            found = await record(group, "m1")
            return found and found["state"] == "running" and found["contracts"] == ["n.v1"]

        await until("running", running)
    assert await record(group, "m1") is None
    assert group.logged("joined")
    assert group.logged("left")


async def test_a_heartbeat_on_its_way_does_not_outlive_the_leaving(group: Group) -> None:
    async with group.worker(echo, member="late") as worker:
        base = worker._life.base
        assert base is not None
        kv, get = base.kv, base.kv.get

        async def get_before_it_lands(bucket: str, key: str) -> Any:
            entry = await get(bucket, key)
            if bucket == MEMBERS and entry.value is not None and worker.state == "draining":
                kv.get = get  # type: ignore[method-assign]
                assert await kv.put(bucket, key, entry.value, entry.revision)
            return entry

        kv.get = get_before_it_lands  # type: ignore[method-assign]
    assert kv.get == get, "the late heartbeat was not written"
    assert await record(group, "late") is None


async def test_a_drain_finishes_what_runs_and_returns_the_rest(group: Group) -> None:
    await group.put_spec(concurrency=1)
    started, go_on = asyncio.Event(), asyncio.Event()
    ran: list[str] = []

    async def handler(_: Any, ctx: Context) -> Any:
        ran.append(ctx.event_id)
        started.set()
        await go_on.wait()

    async with group.worker(handler) as worker:
        await group.publish(1, event_id="a")
        await group.publish(2, event_id="b")
        await started.wait()

        async def both_held() -> bool:
            info = await group.js.consumer_info(group.stream, "g1")
            return info.num_ack_pending == 2

        await until("both held", both_held)
        draining = asyncio.create_task(worker.drain())

        # The other one is pending again before the handler is done: it was returned at once.
        async def returned() -> bool:
            info = await group.js.consumer_info(group.stream, "g1")
            return bool(info.num_ack_pending == 2 and worker.metrics.deliveries["returned"] == 1)

        await until("returned", returned)
        go_on.set()
        await draining
        assert await worker.closed() == "drained"
    assert ran == ["a"]
    assert await group.settled("a", "done")
    assert await group.row("b") is None
    async with group.worker(echo):
        await group.settled("b", "done")


async def test_handlers_still_running_after_the_grace_end_with_1(group: Group) -> None:
    started = asyncio.Event()

    async def handler(_: Any, ctx: Context) -> Any:
        started.set()
        await asyncio.Event().wait()

    async with group.worker(handler, grace_ms=100) as worker:
        await group.publish()
        await started.wait()
        await worker.drain()
        assert await worker.closed() == "grace"


async def test_drains_on_command(group: Group) -> None:
    async with group.worker(echo, member="m2") as worker:
        subject = f"muster.member.{group.stream}.g1.m2.drain"
        answer = await group.nc.request(subject, b"", timeout=5)
        assert json.loads(answer.data) == {"ok": True}
        assert await worker.closed() == "drained"


async def test_waits_for_a_spec_that_comes_later(group: Group) -> None:
    kv = await group.js.key_value("MUSTER_GROUPS")
    await kv.delete(f"{group.stream}.g1")
    async with group.worker(echo):
        event_id = await group.publish()

        async def missing() -> bool:
            return group.logged("spec missing")

        await until("spec missing", missing)
        await group.put_spec()
        await group.settled(event_id, "done")


async def test_a_bad_spec_leaves_the_good_one_in_force(group: Group) -> None:
    async with group.worker(echo):
        await group.put("MUSTER_GROUPS", f"{group.stream}.g1", {"v": 1, "concurrency": "many"})

        async def refused() -> bool:
            return group.logged("spec cannot be used")

        await until("refused", refused)
        event_id = await group.publish()
        await group.settled(event_id, "done")


async def test_a_fault_in_one_poll_does_not_end_the_following(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    await group.put_spec()
    async with group.worker(echo) as worker:
        poll, faults = follow.poll, 0

        async def broken_once(*args: Any) -> None:
            nonlocal faults
            faults += 1
            if faults == 1:
                raise RuntimeError("a fault")
            await poll(*args)

        monkeypatch.setattr(follow, "poll", broken_once)

        async def faulted() -> bool:
            return faults > 0

        await until("the fault", faulted)
        await group.put_spec(paused=True)

        async def paused() -> bool:
            return worker.state == "paused"

        await until("paused", paused)


async def test_a_pause_takes_hold_and_ends(group: Group) -> None:
    await group.put_spec(paused=True)
    async with group.worker(echo, member="m3") as worker:
        event_id = await group.publish()

        async def paused() -> Any:
            found = await record(group, "m3")
            return found and found["state"] == "paused"

        await until("paused", paused)
        assert worker._life.work is not None
        assert worker._life.work.mode is not None
        assert worker._life.work.mode.pull is not None
        assert worker._life.work.mode.pull.outstanding == 0
        await group.put_spec(paused=False)
        await group.settled(event_id, "done")


async def test_refuses_an_id_that_lives_and_takes_over_one_that_does_not(group: Group) -> None:
    async with group.worker(echo, member="same"):
        second = group.worker(echo, member="same")
        await second.start()
        assert await second.closed() == "taken"
    dead = {"v": 1, "instance": "gone"}
    await group.put("MUSTER_MEMBERS", f"{group.stream}.g1.same", dead)
    async with group.worker(echo, member="same") as worker:
        assert worker.state == "running"


async def test_a_replay_shows_the_original_subject(group: Group) -> None:
    async with group.worker(echo):
        subject = f"muster.replay.{group.stream}.g1.{group.prefix}.made"
        await group.js.publish(subject, b'{"n":1}', headers={"Muster-Event-Id": "r1"})
        row = await group.settled("r1", "done")
    assert row["result"]["subject"] == f"{group.prefix}.made"


async def test_what_kills_every_member_ends_as_crash_loop(group: Group) -> None:
    """Deliveries that were never settled, as a killed process leaves them."""
    await group.publish(1, event_id="poison")
    record_key = f"{group.stream}.g1.1"
    took = await group.js.pull_subscribe_bind("g1", group.stream)
    [msg] = await took.fetch(1)
    store_time = msg.reply.split(".")[7]
    entry = {
        "attempt": 3,
        "outcome": "started",
        "member": "m",
        "language": "go",
        "version": "1",
        "started_at": "2026-01-01T00:00:00.000Z",
    }
    await group.put(
        "MUSTER_ATTEMPTS",
        record_key,
        {
            "v": 1,
            "sequence": 1,
            "store_time": store_time,
            "event_id": "poison",
            "attempts": 3,
            "snoozes": 0,
            "delivery": 1,
            "open": True,
            "history": [entry],
        },
    )
    await msg.nak()
    async with group.worker(echo):
        [letter] = await group.dead_letters()
        await group.empty()
    assert letter.headers["Muster-Dlq-Reason"] == "crash_loop"
    assert letter.headers["Muster-Dlq-Error-Class"] == "NeverReported"
    assert letter.headers["Muster-Dlq-First-At"] == entry["started_at"]


async def test_an_unreported_delivery_is_a_suspect_and_notes_its_start(group: Group) -> None:
    await group.publish(1, event_id="s1")
    took = await group.js.pull_subscribe_bind("g1", group.stream)
    [msg] = await took.fetch(1)
    await msg.nak()
    noted: list[Any] = []

    async def handler(_: Any, ctx: Context) -> Any:
        kv = await group.js.key_value("MUSTER_ATTEMPTS")
        noted.append(json.loads((await kv.get(f"{group.stream}.g1.1")).value or b""))
        raise PermanentError("no")

    async with group.worker(handler):
        [letter] = await group.dead_letters()
    assert (noted[0]["open"], noted[0]["attempts"]) == (True, 1)
    assert letter.headers["Muster-Dlq-Attempts"] == "1"
    assert [e["outcome"] for e in json.loads(letter.headers["Muster-Dlq-History"])] == ["failed"]


async def test_goes_on_after_the_server_was_killed(free_server: NatsServer) -> None:
    async with group_on(free_server) as group, group.worker(echo) as worker:
        await group.settled(await group.publish(), "done")
        free_server.kill()

        async def away() -> bool:
            return worker._life.base is not None and not worker._life.base.connection.is_up

        await until("disconnected", away)
        free_server.start()

        async def publishes() -> str | None:
            try:
                return await group.publish()
            except Exception:
                return None

        await group.settled(await until("publish", publishes), "done")
        assert group.logged("reconnected")


async def test_joins_when_the_server_comes_up_later(free_server: NatsServer) -> None:
    async with group_on(free_server) as group:
        event_id = await group.publish()
        free_server.kill()
        worker = group.worker(echo)
        starting = asyncio.create_task(worker.start())

        async def complained() -> bool:
            return group.logged("disconnected")

        await until("disconnected", complained)
        free_server.start()
        await group.settled(event_id, "done")
        await starting
        await worker.drain()


async def test_stops_while_the_server_is_away(free_server: NatsServer) -> None:
    async with group_on(free_server) as group:
        free_server.kill()
        worker = group.worker(echo)
        starting = asyncio.create_task(worker.start())

        async def complained() -> bool:
            return group.logged("disconnected")

        await until("disconnected", complained)
        await asyncio.wait_for(worker.drain(), 10)
        await starting
        free_server.start()
