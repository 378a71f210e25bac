"""Delivery modes and ledger none on a real server."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

from support import Group, NatsServer, queue_group_on, until

from muster_worker import Context, MusterError, PermanentError, RetryableError, Snooze


async def test_ledger_none_settles_without_rows(group: Group) -> None:
    await group.put_spec(ledger="none")
    ran: list[int] = []

    async def handler(order: Any, ctx: Context) -> Any:
        ran.append(order["n"])
        if order["n"] == 1 and ctx.attempt == 1:
            raise RetryableError("again", delay_ms=10)
        if order["n"] == 2:
            raise PermanentError("no")

    async with group.worker(handler):
        for n in range(20):
            await group.publish(n)
        await group.empty()
        [letter] = await group.dead_letters()
    assert sorted(ran) == sorted([*range(20), 1])
    assert letter.headers["Muster-Dlq-Reason"] == "permanent"
    info = await group.js.stream_info("KV_MUSTER_LEDGER", subjects_filter=f"$KV.*.{group.stream}.>")
    assert not info.state.subjects
    assert [line["code"] for line in group.lines("not promised")] == ["no_ledger"]


async def test_a_batch_has_an_outcome_for_each_message(group: Group) -> None:
    await group.put_spec(concurrency=8, delivery={"mode": "batch", "size": 4, "wait_ms": 2000})
    sizes: list[int] = []

    async def handler(messages: Any, ctx: Context) -> Any:
        sizes.append(len(messages))
        outcomes: list[Any] = []
        for message in messages:
            match message.value["n"]:
                case 1:
                    outcomes.append(PermanentError("no"))
                case 2 if message.attempt == 1:
                    outcomes.append(RetryableError("again", delay_ms=10))
                case 3 if not message.history:
                    outcomes.append(Snooze(10))
                case n:
                    outcomes.append({"n": n, "subject": message.subject})
        return outcomes

    async with group.worker(None, {"batch_handler": handler}):
        names = [await group.publish(n) for n in range(4)]
        rows = [await group.settled(name, "done") for name in (names[0], *names[2:])]
        await group.settled(names[1], "dead")
        await group.empty()
    assert sizes[0] == 4
    assert [row["result"]["n"] for row in rows] == [0, 2, 3]


async def test_a_batch_that_does_not_fill_runs_when_its_oldest_has_waited(group: Group) -> None:
    await group.put_spec(concurrency=8, delivery={"mode": "batch", "size": 8, "wait_ms": 300})
    sizes: list[int] = []

    def handler(messages: Any, ctx: Context) -> None:
        sizes.append(len(messages))

    async with group.worker(None, {"batch_handler": handler}):
        began = time.monotonic()
        names = await asyncio.gather(*(group.publish(n) for n in range(3)))
        for name in names:
            await group.settled(name, "done")
    assert sizes == [3]
    assert time.monotonic() - began >= 0.3


async def test_a_wrong_number_of_outcomes_fails_all(group: Group) -> None:
    await group.put_spec(delivery={"mode": "batch", "size": 2, "wait_ms": 50})

    async def handler(messages: Any, ctx: Context) -> Any:
        return ["only one", "two", "three"]

    async with group.worker(None, {"batch_handler": handler}):
        await group.publish()
        [letter] = await group.dead_letters()
    assert letter.headers["Muster-Dlq-Reason"] == "exhausted"
    assert letter.headers["Muster-Dlq-Error"] == "batch handler returned 3 outcomes for 1 messages"


async def test_a_batch_past_its_deadline_has_failed_once(group: Group) -> None:
    await group.put_spec(timeout_ms=200, delivery={"mode": "batch", "size": 2, "wait_ms": 100})
    attempts: list[list[int]] = []

    async def handler(messages: Any, ctx: Context) -> Any:
        attempts.append([message.attempt for message in messages])
        if messages[0].attempt == 1:
            await ctx.signal.wait()
            assert messages[0].signal.aborted
            raise ValueError("too late to count")

    async with group.worker(None, {"batch_handler": handler}):
        names = await asyncio.gather(group.publish(1), group.publish(2))
        for name in names:
            await group.settled(name, "done")
        await group.empty()
    assert attempts[0] == [1, 1]
    assert sum(len(batch) for batch in attempts) == 4


async def test_a_batch_handler_gets_batches_of_one_elsewhere(group: Group) -> None:
    sizes: list[int] = []

    async def handler(messages: Any, ctx: Context) -> Any:
        sizes.append(len(messages))
        return [PermanentError("no") if messages[0].value["n"] == 1 else "good"]

    async with group.worker(None, {"batch_handler": handler}):
        good, bad = await group.publish(0), await group.publish(1)
        row = await group.settled(good, "done")
        await group.settled(bad, "dead")
        [letter] = await group.dead_letters()
    assert (sizes, row["result"]) == ([1, 1], "good")
    assert letter.headers["Muster-Dlq-Error-Class"] == "PermanentError"


async def test_push_takes_what_the_server_pushes_and_a_pause_stops_it(group: Group) -> None:
    await group.push_from_now_on()

    async def handler(order: Any, ctx: Context) -> Any:
        if ctx.attempt == 1 and order["n"] == 1:
            raise RetryableError("again", delay_ms=10)
        return {"n": order["n"], "subject": ctx.subject}

    async with group.worker(handler) as worker:
        names = [await group.publish(n) for n in range(10)]
        for name in names:
            await group.settled(name, "done")
        await group.empty()
        await group.put_spec(delivery={"mode": "push"}, paused=True)

        async def paused() -> bool:
            return worker.state == "paused"

        await until("paused", paused)
        name = await group.publish(11)

        async def unbound() -> bool:
            info = await group.js.consumer_info(group.stream, group.group)
            return info.push_bound is not True and info.num_pending == 1

        await until("nobody subscribed", unbound)
        await group.put_spec(delivery={"mode": "push"})
        await group.settled(name, "done")
    assert [line["code"] for line in group.lines("not promised")] == ["unbounded_hold"]


async def test_push_is_refused_across_accounts(group: Group) -> None:
    await group.push_from_now_on()

    async def handler(order: Any, ctx: Context) -> Any:
        return None

    worker = group.worker(handler, api_prefix="JSF.API")
    starting = asyncio.create_task(worker.start())
    # The prefix leads nowhere here, so that the spec is put where it is looked for.
    await group.nc.subscribe("JSF.API.DIRECT.GET.>", cb=_forward(group))
    await starting
    await until("refused", _said(group, "spec cannot be used"))
    assert worker.state == "starting"
    assert group.lines("spec cannot be used")[0]["code"] == "unsupported_spec"
    await worker.drain()


def _said(group: Group, text: str) -> Any:
    async def check() -> bool:
        return group.logged(text)

    return check


def _forward(group: Group) -> Any:
    async def forward(msg: Any) -> None:
        subject = "$JS" + msg.subject[len("JSF") :]
        await group.nc.publish(subject, msg.data, reply=msg.reply)

    return forward


async def test_a_queue_group_handles_at_most_once(free_server: NatsServer) -> None:
    async with queue_group_on(free_server) as group:
        seen: list[Any] = []

        async def handler(order: Any, ctx: Context) -> Any:
            seen.append((order["n"], ctx.event_id, ctx.attempt, ctx.sequence))
            if order["n"] == 1:
                raise PermanentError("no")
            if order["n"] == 2:
                raise Snooze(5)

        async with group.worker(handler) as worker:
            for n in range(3):
                headers = {"Muster-Event-Id": f"e{n}"}
                await group.nc.publish("core.made", b'{"n":%d}' % n, headers=headers)
            await group.nc.publish("core.made", b'{"n":7}')
            await group.nc.publish("core.made", b"not json", headers={"Nats-Msg-Id": "m1"})
            letters = await group.dead_letters(3)

            async def all_done() -> bool:
                counts = worker.metrics.deliveries
                return counts["done"] == 2 and counts["dead"] == 3

            await until("all done", all_done)
        assert [one[1:] for one in seen[:3]] == [(f"e{n}", 1, 0) for n in range(3)]
        assert len(seen[3][1]) == 36
        headers = {x.headers["Muster-Dlq-Event-Id"]: x.headers for x in letters}
        assert headers["e1"]["Muster-Dlq-Reason"] == "permanent"
        assert headers["e2"]["Muster-Dlq-Reason"] == "exhausted"
        assert headers["e2"]["Muster-Dlq-Error-Class"] == "Snooze"
        assert headers["m1"]["Muster-Dlq-Reason"] == "invalid"
        assert headers["m1"]["Muster-Dlq-Attempts"] == "0"
        assert (headers["e1"]["Muster-Dlq-Seq"], headers["e1"]["Muster-Dlq-Stream"]) == (
            "0",
            "core",
        )
        assert headers["e1"]["Muster-Dlq-Attempts"] == "1"
        assert [line["code"] for line in group.lines("not promised")] == ["at_most_once"]


async def test_a_queue_group_takes_its_dead_letter_back(free_server: NatsServer) -> None:
    async with queue_group_on(free_server) as group:
        seen: list[Any] = []

        async def handler(order: Any, ctx: Context) -> Any:
            seen.append((ctx.subject, ctx.event_id, ctx.replay_number))

        async with group.worker(handler, member="m1") as worker:
            headers = {
                "Muster-Event-Id": "e1",
                "Muster-Replay-Subject": "core.made",
                "Muster-Replay-Number": "1",
            }
            subject = "muster.member.core.g1.m1.replay"
            answer = await group.nc.request(subject, b'{"n":1}', headers=headers, timeout=5)
            assert json.loads(answer.data) == {"ok": True}

            async def handled() -> bool:
                return worker.metrics.deliveries["done"] == 1

            await until("handled", handled)
            await group.put_spec(delivery={"mode": "queue"}, ledger="none", paused=True)

            async def paused() -> bool:
                return worker.state == "paused"

            await until("paused", paused)
            answer = await group.nc.request(subject, b'{"n":1}', headers=headers, timeout=5)
            assert json.loads(answer.data)["ok"] is False
        assert seen == [("core.made", "e1", 1)]


async def test_a_dead_letter_of_a_queue_group_waits_for_its_stream(free_server: NatsServer) -> None:
    async with queue_group_on(free_server) as group:
        await group.js.delete_stream("core_DLQ")

        async def handler(order: Any, ctx: Context) -> Any:
            raise PermanentError("no")

        async with group.worker(handler):
            await group.nc.publish("core.made", b'{"n":1}')
            await until("it waits", _said(group, "dead letter waits"))
            await group.make_dead_letter_stream()
            [letter] = await group.dead_letters()
        assert letter.headers["Muster-Dlq-Reason"] == "permanent"


async def test_a_handler_that_blocks_runs_in_a_thread_and_is_extended(group: Group) -> None:
    threads: set[str] = set()
    together = threading.Barrier(4)

    def handler(order: Any, ctx: Context) -> Any:
        threads.add(threading.current_thread().name)
        # Four of them at once, each longer than the ack wait.
        together.wait(10)
        time.sleep(2.5)
        return ctx.run(_add(order["n"]))

    async def _add(n: int) -> int:
        return n + 1

    async with group.worker(handler, grace_ms=6000) as worker:
        names = [await group.publish(n) for n in range(4)]
        rows = [await group.settled(name, "done") for name in names]
        assert worker.metrics.deliveries["lost"] == 0
        assert worker.metrics.heartbeat_failures == 0
    assert [row["result"] for row in rows] == [1, 2, 3, 4]
    assert threading.main_thread().name not in threads


async def test_run_is_refused_on_the_loop_itself(group: Group) -> None:
    async def handler(order: Any, ctx: Context) -> Any:
        try:
            ctx.run(asyncio.sleep(0))
        except MusterError as error:
            return error.code

    async with group.worker(handler):
        row = await group.settled(await group.publish(), "done")
    assert row["result"] == "not_in_a_thread"


async def test_acks_are_confirmed_before_their_place_is_given_on(group: Group) -> None:
    await group.put_spec(ledger="none")
    ran: list[int] = []

    async def handler(order: Any, ctx: Context) -> Any:
        ran.append(order["n"])

    async with group.worker(handler, {"confirm_acks": True}):
        for n in range(50):
            await group.publish(n)
        await group.empty()
    assert ran == list(range(50))


async def test_the_breaker_opens_on_a_spike_of_failures(group: Group) -> None:
    breaker = {"failure_share": 0.5, "min_attempts": 4, "window_ms": 5000, "pause_ms": 500}
    await group.put_spec(breaker=breaker, concurrency=2)
    is_broken = True

    async def handler(order: Any, ctx: Context) -> Any:
        if is_broken:
            raise RetryableError("no", delay_ms=10)

    events: list[str] = []
    worker = group.worker(handler)
    worker.on("degraded", lambda _: events.append("degraded"))
    worker.on("recovered", lambda: events.append("recovered"))
    async with worker:
        names = [await group.publish(n) for n in range(4)]

        async def opened() -> bool:
            return bool(events)

        await until("open", opened)
        assert "degraded: a dependency" in worker._life.why_not_ready()[0]
        is_broken = False
        for name in names:
            await group.settled(name, "done")
    assert events[:2] == ["degraded", "recovered"]
    assert group.lines("degraded")[0]["code"] == "breaker_open"


async def test_a_pull_that_stalls_is_made_again(group: Group) -> None:
    async def handler(order: Any, ctx: Context) -> Any:
        return None

    worker = group.worker(handler, {"stall_ms": 300})
    stalled = asyncio.Event()
    worker.on("stalled", stalled.set)
    async with worker:
        assert worker._life.work is not None
        assert worker._life.work.mode is not None
        pull = worker._life.work.mode.pull
        assert pull is not None
        # As after a change of leader: the member waits for what nobody will send.
        for lane in pull._lanes:
            lane._connection.stop_listening(lane._subscription._id)
            lane._subscription.callback = lambda _: None
        pull._lanes[0].credits = 8
        assert worker._life.base is not None
        assert await worker._life.base.connection.round_trip(5)
        event_id = await group.publish()
        await asyncio.wait_for(stalled.wait(), 10)
        await group.settled(event_id, "done")
        assert worker.metrics.pull_recreated == 1
    assert group.logged("pull stalled")
